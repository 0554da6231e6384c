#include "auth/claim.h"

#include <string.h>

/* Cyrus leaves white space around a name out as well. */
static struct sv keep(struct sv name, char out[AUTH_NAME_MAX + 1])
{
    name = sv_first(sv_trim(name), AUTH_NAME_MAX);
    if (name.len > 0)
        memcpy(out, name.ptr, name.len);
    out[name.len] = '\0';
    return (struct sv){out, name.len};
}

/* authzid NUL authcid NUL passwd */
static struct sv read_plain(struct sv message, char out[AUTH_NAME_MAX + 1])
{
    (void)sv_split(&message, '\0');
    return keep(sv_split(&message, '\0'), out);
}

static struct sv read_login(struct sv message, char out[AUTH_NAME_MAX + 1])
{
    return keep(message, out);
}

/* name SP digest; the name may have spaces */
static struct sv read_cram(struct sv message, char out[AUTH_NAME_MAX + 1])
{
    size_t end = sv_rfind(message, ' ');

    return keep(end < message.len ? sv_first(message, end) : SV_NONE, out);
}

/* saslname: "=2C" is a comma and "=3D" an equals sign (RFC 5802 5.1). */
struct sv auth_claim_saslname(struct sv text, char out[AUTH_NAME_MAX + 1])
{
    size_t len = 0;

    while (text.len > 0 && len < AUTH_NAME_MAX) {
        size_t used = 1;

        out[len] = text.ptr[0];
        if (sv_starts(text, SV("=2C")) || sv_starts(text, SV("=3D"))) {
            out[len] = text.ptr[2] == 'C' ? ',' : '=';
            used = 3;
        }
        len++;
        text = sv_skip(text, used);
    }
    out[len] = '\0';
    return (struct sv){out, len};
}

/* gs2-cbind-flag "," [ "a=" authzid ] "," "n=" saslname "," ... */
static struct sv read_scram(struct sv message, char out[AUTH_NAME_MAX + 1])
{
    (void)sv_split(&message, ',');
    (void)sv_split(&message, ',');
    message = sv_split(&message, ',');
    return auth_claim_saslname(sv_starts(message, SV("n=")) ? sv_skip(message, 2) : SV_NONE, out);
}

static const struct {
    struct sv name;   /* of the mechanism; ends in '-': of a family */
    unsigned proving; /* the client's message that is answered with a proof; 0: none */
    struct sv (*read)(struct sv message, char out[AUTH_NAME_MAX + 1]);
} mechanisms[] = {
    {{"PLAIN", 5}, 0, read_plain},
    {{"LOGIN", 5}, 0, read_login},
    {{"SCRAM-", 6}, 2, read_scram},
    {{"CRAM-MD5", 8}, 0, read_cram},
};
#define MECHANISMS (sizeof(mechanisms) / sizeof(mechanisms[0]))

/* MECHANISMS if it is none of the table's. */
static size_t find(struct sv mechanism)
{
    size_t i = 0;

    while (i < MECHANISMS && !(mechanisms[i].name.ptr[mechanisms[i].name.len - 1] == '-'
                                   ? sv_istarts(mechanism, mechanisms[i].name)
                                   : sv_ieq(mechanism, mechanisms[i].name)))
        i++;
    return i;
}

bool auth_claim_is_guessable(struct sv mechanism)
{
    return find(mechanism) < MECHANISMS;
}

bool auth_claim_is_proof(struct sv mechanism, unsigned responses)
{
    size_t i = find(mechanism);

    return i < MECHANISMS && mechanisms[i].proving > 0 && responses == mechanisms[i].proving;
}

struct sv auth_claim_name(struct sv mechanism, struct sv message, char out[AUTH_NAME_MAX + 1])
{
    size_t i = find(mechanism);

    return i < MECHANISMS ? mechanisms[i].read(message, out) : keep(SV_NONE, out);
}
