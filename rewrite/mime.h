/*
 * mime.h - the structure of one message: header sections, delimiters, contents, in a stream.
 *
 * RFC 2045, 2046 5.1 (multipart), 5.2 (message). The walker cuts content into events, in order and
 * without a gap: what they hold, put together, is the content byte for byte. An entity is the
 * message itself, a part of a multipart, or the message inside a message/rfc822; entities are
 * numbered in the order they begin. Nothing is ever an error: what cannot be read as structure is
 * content of the entity at hand (opaque).
 * Lines end with LF, with or without CR before it, as readers of mail see them. A header section
 * ends with an empty line, at a line that is no field, or at a delimiter. A delimiter line is
 * exactly "--" and the boundary, then perhaps "--", then perhaps space: so do the readers that
 * people use, and boundaries of which one begins with the other stay apart. The line end before it
 * belongs to it.
 * Not looked into, each an entity with opaque content (rewrite_mime_kind says which): multipart/
 * signed and /encrypted; a multipart without a usable boundary; a message/rfc822 in
 * quoted-printable or base64; what lies deeper than REWRITE_MIME_DEPTH. Behind REWRITE_MIME_PARTS
 * entities the rest is shared by one last entity, without a header. A header section over
 * header_max bytes is content.
 *
 * Memory: header_max, and what is fed at once; time linear in the content (walked counts looks at
 * bytes). Pure: no I/O. One thread at a time. Views in an event are valid until the next call.
 * Calls: init, { feed, next... }, end, next... until END of entity 0, deinit. feed is called only
 * when next() has given false, and returns how many bytes it took (at least one).
 */
#ifndef REWRITE_MIME_H
#define REWRITE_MIME_H

#include "msa/base/buf.h"

#define REWRITE_MIME_DEPTH    100   /* entities inside each other */
#define REWRITE_MIME_PARTS    10000 /* entities of one message */
#define REWRITE_MIME_BOUNDARY 250   /* bytes; RFC 2046 allows 70 */

enum rewrite_mime_kind {
    REWRITE_MIME_TEXT,       /* text; message/global, which may be encoded (RFC 6532 3.7) */
    REWRITE_MIME_OTHER,      /* application, image and what is not known */
    REWRITE_MIME_MULTIPART,  /* its parts follow as entities */
    REWRITE_MIME_MESSAGE,    /* message/rfc822: one entity follows */
    REWRITE_MIME_SIGNED,     /* multipart/signed: opaque */
    REWRITE_MIME_ENCRYPTED,  /* multipart/encrypted: opaque */
    REWRITE_MIME_FIXED,      /* other message types: never encoded (RFC 2045 6.4) */
    REWRITE_MIME_UNREADABLE, /* a multipart without a usable boundary: opaque */
    REWRITE_MIME_DEEP,       /* structure below REWRITE_MIME_DEPTH: opaque */
    REWRITE_MIME_REST,       /* behind REWRITE_MIME_PARTS, or a header over header_max: opaque */
};

enum rewrite_mime_encoding {                    /* RFC 2045 6 */
                             REWRITE_MIME_7BIT, /* also: nothing said */
                             REWRITE_MIME_8BIT,
                             REWRITE_MIME_BINARY,
                             REWRITE_MIME_QUOTED_PRINTABLE,
                             REWRITE_MIME_BASE64,
                             REWRITE_MIME_ENCODED, /* otherwise: x-uuencode and the like */
};

/* What the header section of an entity says. The first field of a name counts, as for readers. */
struct rewrite_mime_entity {
    enum rewrite_mime_kind kind;
    enum rewrite_mime_encoding encoding;
    bool has_type, has_version, has_encoding; /* fields that are there */
    bool lacks_charset; /* text/plain, also where nothing is said, and no charset */
    bool is_digest;     /* multipart/digest: its parts are messages */
    bool is_message;    /* the message itself, or that inside a message/rfc822 */
    bool has_end;       /* the section has its empty line */
    size_t boundary_len;
    char boundary[REWRITE_MIME_BOUNDARY];
};

enum rewrite_mime_event_kind {
    REWRITE_MIME_EVENT_HEADER,  /* a whole header section with the line that ends it; what of it */
    REWRITE_MIME_EVENT_CONTENT, /* bytes of an entity that has no entities inside */
    REWRITE_MIME_EVENT_BETWEEN, /* of a multipart, before its first or behind its last part */
    REWRITE_MIME_EVENT_DELIMITER, /* the line end before it, the line, its line end */
    REWRITE_MIME_EVENT_END,       /* the entity is over */
};

struct rewrite_mime_event {
    enum rewrite_mime_event_kind kind;
    uint32_t entity; /* its number; DELIMITER: of the multipart */
    struct sv bytes;
    const struct rewrite_mime_entity *what; /* HEADER */
};

struct rewrite_mime_level { /* an entity that has begun */
    uint32_t entity;
    uint32_t hash;                      /* of the boundary */
    uint32_t boundary_at, boundary_len; /* in boundaries; 0 bytes: no delimiter is awaited */
    enum rewrite_mime_kind kind;
    bool is_digest;
};

enum rewrite_mime_state {
    REWRITE_MIME_STATE_HEADER,
    REWRITE_MIME_STATE_BODY,   /* content, or between parts: the level's kind says which */
    REWRITE_MIME_STATE_CHILD,  /* a message inside begins */
    REWRITE_MIME_STATE_REST,   /* one entity too many begins */
    REWRITE_MIME_STATE_ENDING, /* END events down to pop_to, then the delimiter */
    REWRITE_MIME_STATE_DONE,
};

struct rewrite_mime {
    enum rewrite_mime_state state;
    size_t header_max;
    struct buf in;   /* what was fed and not given out */
    size_t given;    /* bytes of the last event, dropped at the next call */
    size_t scanned;  /* HEADER: offset of the line that is looked at next */
    size_t line_end; /* BODY: bytes at the front that end the line before */
    bool line_start; /* BODY: behind these a line begins */
    bool ended;
    struct rewrite_mime_level levels[REWRITE_MIME_DEPTH + 1];
    size_t nlevels, awaited; /* awaited: levels with a boundary */
    struct buf boundaries;
    size_t pop_to, delimiter_len;
    bool opens; /* the delimiter begins a part */
    uint32_t count;
    struct rewrite_mime_entity entity; /* of the last HEADER */
    uint64_t walked;
};

void rewrite_mime_init(struct rewrite_mime *w, size_t header_max);
void rewrite_mime_deinit(struct rewrite_mime *w);
size_t rewrite_mime_feed(struct rewrite_mime *w, struct sv bytes);
void rewrite_mime_end(struct rewrite_mime *w);
bool rewrite_mime_next(struct rewrite_mime *w, struct rewrite_mime_event *out);
/* Of an END: nothing follows it but further ENDs. */
bool rewrite_mime_at_end(const struct rewrite_mime *w);

#endif
