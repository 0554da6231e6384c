/*
 * destinations.h - a set of destinations, as a filter of the queue.
 *
 * Where a row of the queue goes follows from its domain, sender and login by the rules of one
 * configuration: destination_of() says it. The set is filled before it filters, and not changed
 * while it does: then any thread may look. Ownership: who made it, outlives what filters by it.
 */
#ifndef RELAY_QUEUE_DESTINATIONS_H
#define RELAY_QUEUE_DESTINATIONS_H

#include <stdbool.h>
#include <stddef.h>

struct destinations;

/* Of any thread: the name of a destination to be freed, or NULL: it is the domain itself. */
typedef char *destination_rule(const void *arg, const char *domain, const char *sender,
                               const char *login);

struct destinations *destinations_new(destination_rule *rule, const void *arg);
void destinations_free(struct destinations *d); /* NULL is allowed */
void destinations_add(struct destinations *d, const char *name);
/* To be freed. */
char *destinations_name(const struct destinations *d, const char *domain, const char *sender,
                        const char *login);
/* Whether the mail goes to one of the set. */
bool destinations_hold(const struct destinations *d, const char *domain, const char *sender,
                       const char *login);

#endif
