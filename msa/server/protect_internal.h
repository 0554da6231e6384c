/*
 * protect_internal.h - a message being protected, shared by protect.c (what has to be done, and the
 * end), protect_pass.c (content read and written), protect_find.c (certificates in directories),
 * protect_sign.c and protect_encrypt.c (the two steps). Nobody else includes it.
 */
#ifndef MSA_SERVER_PROTECT_INTERNAL_H
#define MSA_SERVER_PROTECT_INTERNAL_H

#include "msa/base/log.h"
#include "msa/server/protect.h"
#include "relay/signing.h"
#include "rewrite/encode.h"
#include "rewrite/smime_encrypt.h"
#include "rewrite/smime_people.h"
#include "rewrite/smime_proof.h"
#include "rewrite/smime_sign.h"

/* Recipients that get one encrypted message. */
struct protect_group {
    size_t *indices; /* of the target's rows */
    size_t count;
    bool is_target; /* it becomes the message that was given */
};

/* One question to the keeper under way, about the certificates of a row's recipient. */
#define PROTECT_FINDS_MAX 8
struct protect_find {
    struct protect *protect;
    uint64_t ask; /* 0: none */
    size_t row;
};

struct protect {
    struct worker *worker;
    struct service *service;
    struct protect_target target;
    protect_ended *ended;
    void *arg;
    struct arena arena;
    int64_t now_s;
    size_t header_max;
    struct rewrite_smime_section section; /* of the message that was given */
    struct rewrite_smime_proof *proof;    /* while the body is looked at; else NULL */
    enum rewrite_smime_form was;          /* what it is already */
    /* what directories have */
    struct rewrite_smime_found *found; /* one a row; NULL: none is asked */
    size_t nfound;
    struct protect_find finds[PROTECT_FINDS_MAX];
    size_t find_next; /* row */
    struct timer find_timer;
    /* what has to be done */
    struct rewrite_smime_signer signer; /* cert NULL: nobody */
    struct rewrite_smime_share *shares; /* one a row */
    struct protect_group *groups;
    size_t ngroups, group; /* group: at hand */
    size_t *plain;         /* rows that stay with the message, where any is encrypted to */
    size_t nplain;
    /* the pass at hand */
    uint64_t offset;
    struct store_read *read;
    struct content_writer *writer;
    struct buf out;
    bool reading;                                   /* a pass is under way */
    bool enough;                                    /* eat wants no more */
    int (*eat)(struct protect *p, struct sv piece); /* piece to out, or elsewhere */
    void (*eaten)(struct protect *p);               /* the content has been read */
    void (*written)(struct protect *p);             /* the writer's content is on the disk */
    /* the signature */
    struct rewrite_smime_sign sign;
    bool signing;
    struct rewrite_survey *survey; /* before it, of what has to be encoded; NULL: done */
    struct rewrite_plan plan;
    struct rewrite_encode *encode; /* NULL: nothing has to be */
    uint64_t ask;                  /* of the keeper; 0: none */
    struct timer timer;
    /* the encrypted form at hand */
    struct rewrite_smime_encrypt encrypt;
    bool encrypting;
    struct block *provenance_start; /* what the target's and all forms' records begin with */
    struct store_also *form;        /* NULL: it is the target's */
    struct rewrite_dkim dkim;
    struct rewrite_provenance provenance; /* behind provenance_start */
    struct relay_signing *dkim_signing;
    struct store_also *also;
};

/* protect.c */
void protect_refuse(struct protect *p, const struct smtp_reply *reply);
void protect_next(struct protect *p); /* signed, or not: encrypt; then the end */
struct log_ctx protect_ctx(const struct protect *p, const char *queue_id);
bool protect_may_warn(void);

void protect_found(struct protect *p); /* all that can be known of certificates is */

/* protect_find.c */
void protect_find(struct protect *p);     /* protect_found() follows, or the message is refused */
void protect_find_end(struct protect *p); /* frees */

/* protect_pass.c */
/* Reads the message's content from there on. */
void protect_pass(struct protect *p, uint64_t from, int (*eat)(struct protect *p, struct sv piece),
                  void (*eaten)(struct protect *p));
void protect_pass_stop(struct protect *p); /* drops what is read and written */
/* New content of the target (form NULL), or of a form. */
void protect_write(struct protect *p, void (*written)(struct protect *p));
/* What is in out goes to the writer, and past DKIM. */
int protect_flush(struct protect *p) MUST_CHECK;
void protect_finish(struct protect *p); /* written follows */
void protect_storage_failed(struct protect *p, int err);

/* protect_sign.c */
void protect_sign_init(struct protect *p);
void protect_sign(struct protect *p);
void protect_sign_end(struct protect *p); /* frees */
/* The message goes unsigned, if it may. fault: words behind "it is not signed: "; now: it might be
 * signed later. */
void protect_unsigned(struct protect *p, const char *fault, bool now);

/* protect_encrypt.c */
void protect_encrypt(struct protect *p); /* the group at hand */
void protect_encrypt_end(struct protect *p);

#endif
