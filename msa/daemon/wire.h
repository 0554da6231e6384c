/*
 * wire.h - what master, keeper and server say to each other over their channel (msa/loop/chan.h).
 *
 * Payloads are written with msa/base/pack.h in the order given. A child never sends a descriptor.
 */
#ifndef MSA_DAEMON_WIRE_H
#define MSA_DAEMON_WIRE_H

enum wire_type {
    /* master -> child */
    WIRE_PREPARE = 1, /* u32 number, sv record (msa/server/generation.h) */
    WIRE_COMMIT,      /* u32 number */
    WIRE_ABORT,       /* u32 number: forget what was prepared */
    WIRE_STOP,        /* u32 grace, seconds */
    /* master -> server */
    WIRE_LISTEN,  /* for each descriptor: u32 index of the listen entry, u32 worker */
    WIRE_KEEPER,  /* descriptors, one an asker: workers in order, then the main thread */
    WIRE_CONTROL, /* u64 request, sv JSON */
    WIRE_MORE,    /* u64 request, u8 wanted: after WIRE_PAUSE; not wanted: the asker has gone */
    WIRE_SESSION, /* one descriptor; sv login: a session for the operator's tool */
    WIRE_POISON,  /* sv queue id: hold it, it was in hand at two crashes */
    /* master -> keeper */
    WIRE_ATTACH, /* descriptors, one an asker */
    /* child -> master */
    WIRE_PREPARED,  /* u32 number, u8 ok, sv what is wrong */
    WIRE_SERVING,   /* after the first commit: the child does its work from now on */
    WIRE_COMMITTED, /* u32 number: after a later commit, every new connection is under it */
    WIRE_ANSWER,    /* u64 request, u8 last, sv JSON lines: answer to WIRE_CONTROL */
    WIRE_PAUSE,     /* u64 request: the answer goes on at WIRE_MORE */
};

/* Descriptors that a child inherits, from 3 on (msa/loop/process.h). */
#define WIRE_FD_MASTER 3 /* the channel */
#define WIRE_FD_EXTRA  4 /* server: the crash ring; keeper: the listening keeper.sock */

#endif
