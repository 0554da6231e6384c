/*
 * master.h - the master process: opens, binds, starts, watches; parses nothing from the network.
 *
 * It alone opens configured files; keeper and server get numbered generations by their channels:
 * both prepare, both commit, or all keep the old one.
 */
#ifndef MSA_DAEMON_MASTER_H
#define MSA_DAEMON_MASTER_H

/* Runs until SIGTERM or "stop"; the process's exit code: 0, or 1 if it could not start. */
int master_run(const char *config_path);

#endif
