/*
 * err.h - environment errors: negative ints from one table.
 *
 * Values from -1 to -4999 are negated errno values, unchanged (-ENOSPC, -EIO); ours are below
 * -5000. Zero is success. Functions that return such an int are marked MUST_CHECK.
 * Any thread.
 */
#ifndef MSA_BASE_ERR_H
#define MSA_BASE_ERR_H

#define MUST_CHECK              __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* name, value, text for people */
#define ERR_TABLE(XX)                                            \
    XX(ERR_EOF, -5001, "the peer closed the connection")         \
    XX(ERR_FULL, -5002, "a buffer or queue is full")             \
    XX(ERR_SYNTAX, -5003, "bad syntax")                          \
    XX(ERR_TLS, -5004, "TLS failure")                            \
    XX(ERR_CANCELED, -5005, "canceled")                          \
    XX(ERR_DB, -5006, "database error")                          \
    XX(ERR_CORRUPT, -5007, "stored data is damaged")             \
    XX(ERR_KEEPER, -5008, "the keeper process is not available") \
    XX(ERR_NOT_FOUND, -5009, "not found")                        \
    XX(ERR_EXISTS, -5010, "exists already")                      \
    XX(ERR_TIMEOUT, -5011, "timed out")                          \
    XX(ERR_DNS, -5012, "name resolution failed")                 \
    XX(ERR_LIMIT, -5013, "a configured limit was reached")

enum err {
#define ERR_ENUM(name, value, text) name = (value),
    ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
};

/* Text for a negative error; never NULL, never needs freeing. Any thread. */
const char *err_text(int err);

#endif
