/*
 * vfs.h - SQLite on the simulated disk (tests/sim/loop/disk.h), with locks and shared memory, so
 * that several connections use a write-ahead log there.
 *
 * Register once a process; usable between sim_start() and sim_stop(). Connections that were open
 * when the power failed are dead: the test leaves them.
 */
#ifndef TESTS_SIM_VFS_H
#define TESTS_SIM_VFS_H

#define SIM_VFS "sim"
void sim_vfs_register(void);

#endif
