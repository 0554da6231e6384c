/*
 * seeds.h - runs a simulated test under many seeds, and says which one failed.
 *
 * MSA_SEEDS: how many seeds are shared out among all such tests (default 50); share is the part of
 * one of them, in percent. MSA_SEED: this one seed alone, to look at a failure again.
 */
#ifndef TESTS_SIM_SEEDS_H
#define TESTS_SIM_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

/* run() returns whether the seed is good, and says why if not. True: all are. An abort inside run()
 * names the seed, too. */
bool seeds_run(const char *name, unsigned share, bool (*run)(uint64_t seed));

#endif
