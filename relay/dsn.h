/*
 * dsn.h - delivery status notifications: when one is due, and its text.
 *
 * RFC 3464 (multipart/report; delivery-status), RFC 6522, RFC 3461 4.1, 4.3, 5.2, 6.3 (NOTIFY,
 * RET, which actions), RFC 3834 (Auto-Submitted), RFC 5321 4.5.5, 6.1 (null reverse-path), RFC 6533
 * (addresses and headers with UTF-8).
 * Output: a whole message with CRLF line ends, no line over 998 octets and no bytes above 127, so
 * that every next hop takes it: addresses with UTF-8 stand in their 7-bit form, text and returned
 * headers with UTF-8 as quoted-printable; other 8-bit bytes of returned headers become "?". Only
 * where the author's own address holds UTF-8 is the report an SMTPUTF8 message, because then its
 * way needs that extension anyway. It goes out with the null reverse-path.
 *
 * Whole content is returned only where a recipient failed, for RET=FULL, and if it is complete and
 * within bounce_body; the header section otherwise. It goes as it is if it is made of lines, and of
 * 7 bits unless the report is an SMTPUTF8 message; else in the form that the caller has made of it
 * (relay_dsn_needs_form(), rewrite/encode.h), if that is within bounce_body. Of what a server said
 * the first 20 lines and 1,000 octets are told.
 * Ownership: all views are the caller's and only read. Any thread. Pure: time is an argument.
 */
#ifndef RELAY_DSN_H
#define RELAY_DSN_H

#include "msa/base/buf.h"

/* name, value of the Action field, subject, first sentence about its recipients */
#define RELAY_DSN_ACTIONS(XX)                                                              \
    XX(FAILED, "failed", "Your message could not be delivered",                            \
       "Your message could not be delivered to:")                                          \
    XX(DELAYED, "delayed", "Your message is delayed",                                      \
       "Your message could not be delivered yet to these recipients. It is tried again,\n" \
       "you need not send it once more:")                                                  \
    XX(RELAYED, "relayed", "Your message was passed on",                                   \
       "Your message was passed on for these recipients, to a server that will not\n"      \
       "report whether it was delivered:")                                                 \
    XX(DELIVERED, "delivered", "Your message was delivered", "Your message was delivered to:")

enum relay_dsn_action {
#define RELAY_DSN_ACTION_ENUM(name, value, subject, words) RELAY_DSN_##name,
    RELAY_DSN_ACTIONS(RELAY_DSN_ACTION_ENUM)
#undef RELAY_DSN_ACTION_ENUM
};

/* Whether a recipient's fate is to be reported. notify: smtp_envelope_notify(). hop_has_dsn: the
 * next hop took the message and the NOTIFY parameter with it (RELAYED is its business then). */
bool relay_dsn_wanted(enum relay_dsn_action action, uint32_t notify, bool null_reverse_path,
                      bool hop_has_dsn);
/* The same for a relay that the author has to hear of without having asked (RFC 2852 4.1.4). */
bool relay_dsn_wanted_anyway(uint32_t notify, bool null_reverse_path);

struct relay_dsn_recipient {
    enum relay_dsn_action action;
    struct sv address;      /* forward-path, without <> */
    struct sv orcpt;        /* ORCPT parameter as received ("rfc822;xtext"); empty: none */
    struct sv status;       /* "5.1.1" */
    struct sv text;         /* what was said: "550 5.1.1 words", "\n" between lines; or our words */
    struct sv remote;       /* who said it: "mx.example [192.0.2.1]:25"; empty: nobody did */
    int64_t last_attempt_s; /* wall time; 0: none was made */
    int64_t retry_until_s;  /* DELAYED only; 0: not said */
};

struct relay_dsn {
    struct sv id;             /* queue id of the report, also its boundary and Message-ID */
    struct sv reporting_mta;  /* our host name */
    struct sv postmaster;     /* mailbox that answers people */
    struct sv to;             /* reverse-path of the message, without <>; not null */
    struct sv original_id;    /* queue id of the message reported on */
    struct sv envid;          /* ENVID parameter as received (xtext); empty: none */
    int64_t arrival_s, now_s; /* wall time */
    int64_t deliver_by_s;     /* wall time of BY (RFC 2852 5); 0: none was set */
    struct sv fields;         /* what extensions add for the message: whole lines of ASCII */
    const struct relay_dsn_recipient *recipients;
    size_t count;      /* at least 1 */
    struct sv content; /* of the message, from its first byte on; may be only a part */
    struct sv form;    /* of the content, in lines of 7 bits; empty: none could be made */
    bool content_complete;
    bool binary;        /* the content is not made of lines */
    bool ret_full;      /* RET=FULL */
    size_t bounce_body; /* queue.bounce_body, bytes */
};

/* Appends the message. ERR_FULL: out's maximum is too small; nothing is appended. */
int relay_dsn_write(struct buf *out, const struct relay_dsn *d) MUST_CHECK;
/* The content is to be returned whole and cannot go as it is. d->form is not looked at. */
bool relay_dsn_needs_form(const struct relay_dsn *d);
/* Most bytes of content that are of use to the writer. */
size_t relay_dsn_content_max(size_t bounce_body);

#endif
