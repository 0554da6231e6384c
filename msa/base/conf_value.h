/*
 * conf_value.h - one value: from what was given to the field; private to conf_*.
 *
 * A value is given by libconfig or by the text of a default, and takes the same way from there.
 */
#ifndef MSA_BASE_CONF_VALUE_H
#define MSA_BASE_CONF_VALUE_H

#include "msa/base/conf.h"

struct conf_given {
    enum conf_given_type {
        CONF_GIVEN_BOOL,
        CONF_GIVEN_INT,
        CONF_GIVEN_FLOAT,
        CONF_GIVEN_STRING,
        CONF_GIVEN_ARRAY,
        CONF_GIVEN_LIST,
        CONF_GIVEN_GROUP,
    } type;
    bool b;
    int64_t i;
    struct sv text; /* CONF_GIVEN_STRING */
};

/* What the text of a default stands for in a row of one value (not an array, list or group). */
struct conf_given conf_value_default(const struct conf_option *row);

/*
 * Sets the field of a row of one value; for CONF_STRINGS and CONF_TIMES one element (const char *,
 * int64_t). state replaces "<state>". On a fault says so at the place being checked and leaves
 * the field as it is.
 */
bool conf_value_set(const struct conf_option *row, const struct conf_given *given,
                    const char *state, struct arena *a, struct conf_faults *faults, void *field);

/* What the row asks for, in words: "true or false". */
const char *conf_value_asked(const struct conf_option *row, struct arena *a);
/* What was given, in words: "a number". */
const char *conf_value_given(enum conf_given_type type);
/* "1 to 100", in the row's unit; "" for a row that is no number. */
const char *conf_value_range(const struct conf_option *row, struct arena *a);

#endif
