/*
 * survey.c - the user database as a whole, remembered.
 */
#include "auth/survey.h"

#include "msa/base/mem.h"
#include "msa/base/require.h"
#include "msa/loop/clock.h"

#include <pthread.h>
#include <stdlib.h>

#define RESCAN_MS 1000

struct auth_survey {
    pthread_mutex_t lock; /* of what follows */
    bool is_known;        /* the last look was whole */
    struct auth_users_identity db;
    uint64_t looked_ms;
    struct auth_users_survey last;
};

struct auth_survey *auth_survey_new(void)
{
    struct auth_survey *s = NEW(struct auth_survey);

    REQUIRE(pthread_mutex_init(&s->lock, NULL) == 0);
    return s;
}

void auth_survey_free(struct auth_survey *s)
{
    if (s == NULL)
        return;
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* Gives what is known; true: the caller has to look. */
static bool is_due(struct auth_survey *s, const struct auth_users_identity *db,
                   struct auth_users_survey *out)
{
    uint64_t now = clock_mono_ms();
    bool is_current, due;

    pthread_mutex_lock(&s->lock);
    is_current = s->is_known && auth_users_identity_eq(db, &s->db);
    due = !is_current && (!s->is_known || now - s->looked_ms >= RESCAN_MS);
    if (due)
        s->looked_ms = now;
    *out = s->last;
    pthread_mutex_unlock(&s->lock);
    out->any_cleartext |= !is_current;
    return due;
}

int auth_survey_get(struct auth_survey *s, const char *path, struct auth_users_survey *out)
{
    struct auth_users_identity db = {0};
    struct auth_users_survey fresh;
    int err = auth_users_identity(path, &db);

    if (!is_due(s, &db, out) || err < 0)
        return err;
    err = auth_users_survey(path, &fresh);
    pthread_mutex_lock(&s->lock);
    s->is_known = err == 0;
    if (err == 0) {
        s->db = db;
        s->last = fresh;
        *out = fresh;
    }
    pthread_mutex_unlock(&s->lock);
    return err;
}
