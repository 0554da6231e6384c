/*
 * master_internal.h - the master's insides, shared by master.c (start and stop), master_child.c
 * (keeper and server), master_generation.c (reload) and master_control.c. Nobody else includes it.
 */
#ifndef MSA_DAEMON_MASTER_INTERNAL_H
#define MSA_DAEMON_MASTER_INTERNAL_H

#include "msa/base/buf.h"
#include "msa/daemon/child.h"
#include "msa/daemon/control.h"
#include "msa/daemon/poison.h"
#include "msa/daemon/privileges.h"
#include "msa/daemon/sockets.h"
#include "msa/daemon/wire.h"
#include "msa/server/generation.h"

enum member_state { MEMBER_DOWN, MEMBER_PREPARING, MEMBER_SERVING };

/* A child and where it is with its generation. */
struct member {
    struct child child; /* first: told by its callbacks */
    enum member_state state;
    bool agreed; /* to next */
};

struct master {
    struct loop *loop;
    const char *config_path;
    struct generation *current;
    struct generation *next; /* while a reload runs */
    uint64_t reload_request; /* of control; 0: SIGHUP */
    uint64_t commit_request; /* the same, until the server is under the new generation */
    bool reload_wanted;      /* SIGHUP came when it could not be done */
    struct timer reload_timeout, tickets, grace, files;
    struct watched *watched; /* files of addresses */
    uint32_t last_number;
    unsigned workers;
    struct sockets sockets;
    struct member keeper, server;
    struct crashring *ring;
    struct poison poison;
    struct control *control;
    struct signal_watch *signals[3];
    int64_t started_s;
    bool ready, stopping;
    int exit_code;
};

/* master.c */
void master_stop(struct master *m);
/* Both children have ended: the loop ends. */
void master_finish(struct master *m);

/* master_child.c */
int master_start_children(struct master *m, const struct priv_ids *ids, int ring_fd, int keeper_fd);
void master_tell(struct member *to, uint32_t type, struct buf *payload); /* takes payload */
void master_tell_number(struct member *to, uint32_t type, uint32_t number);

/* master_generation.c */
int master_load_first(struct master *m);
void master_generation_init(struct master *m); /* timers; keys of tickets */
void master_send_current(struct master *m, struct member *to);
/* Reads the configuration again; request: who of control asked, 0: a signal. */
void master_reload(struct master *m, uint64_t request);
void master_end_reload(struct master *m, bool good, const char *why);
void master_on_committed(struct master *m, uint32_t number);
/* A child has prepared the generation, or not. */
void master_on_prepared(struct master *m, struct member *from, uint32_t number, bool good,
                        struct sv why);
/* A child serves: what had to wait for it. */
void master_reload_if_wanted(struct master *m);

void master_log_faults(const struct conf_faults *faults);
/* A new generation can be proposed now. */
bool master_can_propose(const struct master *m);
/* The current generation with other contents of one file. */
void master_propose_file(struct master *m, const char *key, struct sv bytes);

/* master_files.c */
void master_files_init(struct master *m);
void master_files_deinit(struct master *m);

/* master_control.c */
extern const struct control_ops master_control_ops;

#endif
