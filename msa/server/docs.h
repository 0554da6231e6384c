/*
 * docs.h - the documents that come from the option table.
 *
 * docs_write() appends to out; ERR_FULL if out's maximum is too small (256 KiB suffice). The files
 * etc/msa.conf.sample, etc/msa.conf.5 and etc/msad.8 are its output. Any thread.
 */
#ifndef MSA_SERVER_DOCS_H
#define MSA_SERVER_DOCS_H

#include "msa/base/buf.h"

enum docs_kind {
    DOCS_HELP,   /* msad --help */
    DOCS_MAN,    /* msa.conf.5, troff */
    DOCS_MSAD,   /* msad.8, troff */
    DOCS_SAMPLE, /* msa.conf.sample */
};

int docs_write(enum docs_kind kind, struct buf *out) MUST_CHECK;
/* "help", "man", "msad", "sample"; false if text is none of them. */
bool docs_kind_parse(struct sv text, enum docs_kind *out);

#endif
