/*
 * milter_wire.h - the numbers of the milter protocol, version 6.
 *
 * As Sendmail's libmilter has them (include/libmilter/mfdef.h); there is no RFC. A packet is a
 * length of 4 bytes in network order, a command's letter, and length-1 bytes of data; strings end
 * with NUL.
 */
#ifndef MSA_POLICY_MILTER_WIRE_H
#define MSA_POLICY_MILTER_WIRE_H

#define MILTER_VERSION     6u
#define MILTER_VERSION_MIN 2u
#define MILTER_CHUNK_MAX   65535u /* bytes of body in one packet */
/* The largest that a milter may send: a chunk is the longest thing it has to say. */
#define MILTER_PACKET_MAX (128u << 10)

/* What a milter may do (SMFIF_). */
enum {
    MILTER_MAY_ADD_HEADER = 0x01,
    MILTER_MAY_CHANGE_BODY = 0x02,
    MILTER_MAY_ADD_RCPT = 0x04,
    MILTER_MAY_DELETE_RCPT = 0x08,
    MILTER_MAY_CHANGE_HEADER = 0x10,
    MILTER_MAY_QUARANTINE = 0x20,
    MILTER_MAY_CHANGE_FROM = 0x40,
    MILTER_MAY_ADD_RCPT_ARGS = 0x80,
    MILTER_MAY_SET_MACROS = 0x100,
    MILTER_MAY_ALL = 0x1ff,
};

/* What a milter does not want to see, or will not answer (SMFIP_). */
enum {
    MILTER_NO_CONNECT = 0x01,
    MILTER_NO_HELO = 0x02,
    MILTER_NO_MAIL = 0x04,
    MILTER_NO_RCPT = 0x08,
    MILTER_NO_BODY = 0x10,
    MILTER_NO_HEADERS = 0x20,
    MILTER_NO_EOH = 0x40,
    MILTER_NR_HEADER = 0x80,
    MILTER_NO_UNKNOWN = 0x100,
    MILTER_NO_DATA = 0x200,
    MILTER_SKIP_OK = 0x400,
    MILTER_NR_CONNECT = 0x1000,
    MILTER_NR_HELO = 0x2000,
    MILTER_NR_MAIL = 0x4000,
    MILTER_NR_RCPT = 0x8000,
    MILTER_NR_DATA = 0x10000,
    MILTER_NR_UNKNOWN = 0x20000,
    MILTER_NR_EOH = 0x40000,
    MILTER_NR_BODY = 0x80000,
    MILTER_LEADING_SPACE = 0x100000,
    /* all but that recipients refused by others be told as well (0x800) */
    MILTER_STEPS_ALL = 0x1ff7ff,
};

/* Answers and changes (SMFIR_). */
enum {
    MILTER_SAYS_ADD_RCPT = '+',
    MILTER_SAYS_DELETE_RCPT = '-',
    MILTER_SAYS_ADD_RCPT_ARGS = '2',
    MILTER_SAYS_SHUTDOWN = '4',
    MILTER_SAYS_ACCEPT = 'a',
    MILTER_SAYS_REPLACE_BODY = 'b',
    MILTER_SAYS_CONTINUE = 'c',
    MILTER_SAYS_DISCARD = 'd',
    MILTER_SAYS_CHANGE_FROM = 'e',
    MILTER_SAYS_CONN_FAIL = 'f',
    MILTER_SAYS_ADD_HEADER = 'h',
    MILTER_SAYS_INSERT_HEADER = 'i',
    MILTER_SAYS_CHANGE_HEADER = 'm',
    MILTER_SAYS_NEGOTIATE = 'O',
    MILTER_SAYS_PROGRESS = 'p',
    MILTER_SAYS_QUARANTINE = 'q',
    MILTER_SAYS_REJECT = 'r',
    MILTER_SAYS_SKIP = 's',
    MILTER_SAYS_TEMPFAIL = 't',
    MILTER_SAYS_REPLY = 'y',
};

#endif
