/*
 * cfws.h - white space, folding and comments between the parts of a structured field.
 *
 * RFC 5322 3.2.2. Comments nest to any depth, a backslash takes the byte behind it along. Linear
 * in what is skipped. Any thread.
 */
#ifndef REWRITE_CFWS_H
#define REWRITE_CFWS_H

#include "msa/base/sv.h"

/* What lies behind them, at the front of text. False: a comment has no end. */
bool rewrite_cfws_skip(struct sv *text);
/* Appends text without them to out, which has room for max bytes and holds *n; in quoted strings
 * only the line ends of folds go. False: there is no room. */
bool rewrite_cfws_strip(struct sv text, char *out, size_t max, size_t *n);

#endif
