/*
 * capture.h - delivery into a Maildir in place of the network (relay.capture).
 *
 * One file a transaction: written in tmp, synced, renamed into new, the folder synced (pool
 * thread). On top stand Return-Path, and Delivered-To for each recipient (RFC 5321 4.4); line ends
 * become LF, as Maildirs have them. The folders are made if they are missing.
 *
 * Ownership: the request belongs to the capture until done(). Thread: the reply mailbox's loop.
 */
#ifndef RELAY_CAPTURE_H
#define RELAY_CAPTURE_H

#include "msa/loop/thread.h"
#include "relay/queue/store.h"

struct relay_capture {
    struct pool *pool;
    struct mailbox *reply;
    struct store *store;       /* content is read from here */
    const char *dir;           /* the Maildir; outlives the request */
    struct queue_batch *batch; /* stays the caller's */
    /* 0, or what went wrong: nothing was delivered then. */
    void (*done)(void *arg, int err);
    void *arg;
};

void relay_capture_start(const struct relay_capture *request);

#endif
