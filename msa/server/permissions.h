/*
 * permissions.h - the rows of "permissions": who may send as whom and to whom, as options.
 *
 * RFC 6409 6.1 to 6.3. Values are plain memory inside a generation; a row that includes a folder is
 * replaced by the rows of its files while that is made (msa/daemon/load_permissions.h). What the
 * rows mean is in rights.h. Any thread.
 */
#ifndef MSA_SERVER_PERMISSIONS_H
#define MSA_SERVER_PERMISSIONS_H

#include "msa/base/conf.h"

#define PERMISSION_EVERYBODY_ELSE "*"        /* as login: who has no row */
#define PERMISSION_TRUSTED        "@trusted" /* as login: who needs none */

enum permission_class { PERMISSION_USER, PERMISSION_GATEWAY };

enum permission_over_budget { PERMISSION_REFUSE, PERMISSION_HOLD };

struct permission_options {
    const char *login; /* user@realm in lower case, or one of the above */
    int class;         /* enum permission_class */
    struct conf_strings may_send_as;
    struct conf_strings may_send_on_behalf_of;
    struct conf_strings may_send_to;
    bool allow_resent;
    int64_t messages_per_hour, recipients_per_day, new_recipients_per_day; /* 0: no budget */
    int over_budget; /* enum permission_over_budget */
    bool lock_auth;
    const char *include; /* a folder, whose files have the rows; no row of a generation has it */
};

extern const struct conf_option permission_options_rows[];
/* The only key of a file in a folder that is included; values: struct permissions_file. */
extern const struct conf_option permissions_file_rows[];

struct permissions_file {
    struct conf_list permissions;
};

/* The login of a user with its realm, in lower case, in the arena; NULL if nobody can have
 * it: *wrong_out says why and *right_out what would be right. */
const char *permissions_login(struct arena *a, struct sv text, const struct conf_strings *realms,
                              const char **wrong_out, const char **right_out);

/* Derived values: the realm of logins that are written without, what "@trusted" may send as. src:
 * what was written. */
void permissions_complete(struct arena *a, const struct conf_list *rows,
                          const struct conf_strings *realms, const struct conf_source *src);

/* The logins of the rows that were checked, each with its place. */
struct permissions_seen;
/* Checks rows as a whole: logins, and that none has two rows, in these and those seen before. seen
 * is NULL at first, and freed by the caller. included: they are those of a file in a folder. */
void permissions_check(struct permissions_seen **seen, const struct conf_list *rows,
                       const struct conf_strings *realms, bool included,
                       const struct conf_source *src, struct conf_faults *faults);
void permissions_seen_free(struct permissions_seen *seen);

#endif
