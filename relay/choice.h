/*
 * choice.h - which row of relay.routes takes a message, and the destination that follows from it.
 *
 * The first row that matches recipient domain, sender and login counts. Mail of one domain that
 * goes different ways has a destination for each: "domain" for who meets no row with a sender or
 * login, else "domain@N", N the row's index. Such a key is made and read under one configuration
 * only, and never stored. Pure.
 */
#ifndef RELAY_CHOICE_H
#define RELAY_CHOICE_H

#include "relay/options.h"

/* The key where it is not the domain itself (or a URL, which stays), to be freed; else NULL. */
char *relay_choice_key(const struct relay_options *o, const char *domain, const char *sender,
                       const char *login);
/* Whether there may be such a key for any mail to domain. */
bool relay_choice_has_ways(const struct relay_options *o, const char *domain);
/* The row of a key; NULL: none. *domain_out: the domain in it. */
const struct relay_route_options *relay_choice_row(const struct relay_options *o, const char *key,
                                                   size_t *index_out, struct sv *domain_out);

#endif
