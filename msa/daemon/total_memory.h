/*
 * total_memory.h - how much memory the program may use: the least limit of its cgroups, else RAM.
 *
 * cgroup v2 (every level from this process's group up) and v1. Blocking; master only.
 */
#ifndef MSA_DAEMON_TOTAL_MEMORY_H
#define MSA_DAEMON_TOTAL_MEMORY_H

#include <stdint.h>

/* Bytes. root: "/"; a test gives a folder with proc/self/cgroup and sys/fs/cgroup in it. */
uint64_t total_memory(const char *root);

#endif
