/*
 * letter.h - a message in a file, as msactl gives it to the server, and whom its header names.
 */
#ifndef MSA_CTL_LETTER_H
#define MSA_CTL_LETTER_H

#include "msa/base/buf.h"

#define LETTER_MAX ((size_t)1 << 30) /* bytes of a file; the server's limit comes before */

struct letter {
    struct buf text; /* lines end with CRLF: where the file has LF alone, CR was put before it */
    bool eight_bit, eight_bit_header;
};

/* path: "-" is standard input. 0, or negative. */
int letter_read(const char *path, struct letter *out) MUST_CHECK;
void letter_deinit(struct letter *l);
/* Each address of To, Cc and Bcc, without comments; what cannot be read is left out. */
void letter_recipients(const struct letter *l, void (*on_address)(void *arg, const char *address),
                       void *arg);

#endif
