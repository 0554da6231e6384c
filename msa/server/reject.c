#include "msa/server/reject.h"

#include <errno.h>

struct smtp_reply reject_storage(int err)
{
    switch (err) {
    case -ENOSPC:
    case -EDQUOT:
    case -EFBIG:
    case -EMFILE:
    case -ENFILE:
    case -ENOMEM:
    case ERR_FULL:
    case ERR_LIMIT:
        return SMTP_REPLY(452, 4, 3, 1, "Insufficient system storage, try again later");
    default:
        return SMTP_REPLY(451, 4, 3, 0, "The message could not be stored, try again later");
    }
}

struct smtp_reply reject_slow(void)
{
    return SMTP_REPLY(451, 4, 3, 0, "This takes too long now, try again later");
}

struct smtp_reply reject_names(void)
{
    return SMTP_REPLY(451, 4, 4, 3, "A name could not be looked up, try again later");
}

struct smtp_reply reject_unsigned(enum rewrite_dkim_lack lack)
{
    if (lack == REWRITE_DKIM_LACKS_FROM)
        return SMTP_REPLY_SETTING(554, 5, 7, 0,
                                  "No author for whom the message could be signed can be read in "
                                  "its From",
                                  "rewrite.dkim[].require");
    if (lack == REWRITE_DKIM_LACKS_SIZE)
        return SMTP_REPLY_SETTING(552, 5, 3, 4, "The header section is larger than can be signed",
                                  "rewrite.dkim[].require");
    return SMTP_REPLY_SETTING(451, 4, 7, 0,
                              "The message cannot be signed for its domain now, try again later",
                              "rewrite.dkim[].require");
}

struct smtp_reply reject_smime_now(void)
{
    return SMTP_REPLY_SETTING(451, 4, 7, 0, "", "rewrite.smime");
}

struct smtp_reply reject_smime_ever(void)
{
    return SMTP_REPLY_SETTING(550, 5, 7, 5, "", "rewrite.smime");
}

struct smtp_reply reject_no_certificate(void)
{
    return SMTP_REPLY_SETTING(550, 5, 7, 5, "", "rewrite.encrypt");
}

struct smtp_reply reject_no_directory(void)
{
    return SMTP_REPLY_SETTING(451, 4, 7, 0, "", "rewrite.certificates");
}

struct smtp_reply reject_many_hidden(void)
{
    return SMTP_REPLY_SETTING(
        550, 5, 5, 3,
        "Too many recipients that To and Cc do not name, and that the message "
        "would have to be encrypted to one by one, for its size",
        "rewrite.encrypt");
}

struct smtp_reply reject_no_login(void)
{
    return SMTP_REPLY(530, 5, 7, 0, "Authentication required");
}

struct smtp_reply reject_no_return(void)
{
    return SMTP_REPLY(550, 5, 1, 8, "No mail can go back to this domain: it does not exist");
}

struct smtp_reply reject_null_return(void)
{
    return SMTP_REPLY(550, 5, 7, 27, "No mail can go back to this domain: it takes none");
}

struct smtp_reply reject_literal_return(void)
{
    return SMTP_REPLY(550, 5, 1, 8, "No mail can go back to this address literal");
}

struct smtp_reply reject_budget(bool never)
{
    return never ? SMTP_REPLY(550, 5, 7, 1, "") : SMTP_REPLY(450, 4, 7, 1, "");
}

struct smtp_reply reject_trickle(void)
{
    return SMTP_REPLY_SETTING(421, 4, 4, 2, "The content comes too slowly", "limits.data_rate");
}

struct smtp_reply reject_shutdown(void)
{
    return SMTP_REPLY(421, 4, 3, 2, "The server is going down, try again in a moment");
}

struct smtp_reply reject_paused(void)
{
    return SMTP_REPLY(450, 4, 3, 2, "The server takes no new mail for now, try again later");
}

struct smtp_reply reject_memory(void)
{
    return SMTP_REPLY_SETTING(452, 4, 3, 1, "No memory for another message now, try again later",
                              "limits.memory");
}

struct smtp_reply reject_session_memory(void)
{
    return SMTP_REPLY_SETTING(421, 4, 3, 1, "No memory for another session now, try again later",
                              "limits.memory");
}

struct smtp_reply reject_connections(void)
{
    return SMTP_REPLY_SETTING(421, 4, 3, 2, "Too many connections, try again later",
                              "limits.connections");
}

struct smtp_reply reject_client(void)
{
    return SMTP_REPLY_SETTING(421, 4, 7, 0,
                              "Too many connections from your address, close one first",
                              "limits.connections_per_client");
}

struct smtp_reply reject_auth_temporary(void)
{
    return SMTP_REPLY(454, 4, 7, 0, "Temporary authentication failure, try again later");
}

struct smtp_reply reject_auth_failed(void)
{
    return SMTP_REPLY(535, 5, 7, 8, "Authentication credentials invalid: check name and password");
}

struct smtp_reply reject_auth_blocked(void)
{
    return SMTP_REPLY_SETTING(454, 4, 7, 0, "Too many failed logins, try again later",
                              "auth.block.failures");
}

struct smtp_reply reject_refused_network(void)
{
    return SMTP_REPLY_SETTING(554, 5, 7, 1, "No service for your network", "auth.refused_networks");
}

struct smtp_reply reject_auth_mechanism(void)
{
    return SMTP_REPLY_SETTING(504, 5, 5, 4, "Mechanism not supported; EHLO lists those that are",
                              "auth.mechanisms");
}

struct smtp_reply reject_auth_needs_tls(void)
{
    return SMTP_REPLY_SETTING(538, 5, 7, 11, "Encryption is needed: use STARTTLS",
                              "auth.require_tls");
}

struct smtp_reply reject_account_changed(void)
{
    return SMTP_REPLY(421, 4, 7, 0, "Your account was changed, log in again");
}

struct smtp_reply reject_partial(int err)
{
    if (err == -EBUSY)
        return SMTP_REPLY(451, 4, 3, 0, "This message is in use on another connection, try again");
    if (err == ERR_TIMEOUT)
        return SMTP_REPLY(421, 4, 3, 0, "This takes too long now, try again later");
    if (err == -ENOENT || err == ERR_CORRUPT)
        return SMTP_REPLY(451, 4, 3, 0, "What was kept of this message is lost, send it again");
    return reject_storage(err);
}

struct smtp_reply reject_continued(void)
{
    return SMTP_REPLY(421, 4, 3, 0, "This message is continued on another connection");
}

struct smtp_reply reject_finished(void)
{
    return SMTP_REPLY(554, 5, 5, 0, "This message was complete, nothing can be added to it");
}

struct smtp_reply reject_returns(void)
{
    return SMTP_REPLY(452, 4, 3, 1, "Too many messages are being returned, try again later");
}

struct smtp_reply reject_returned_held(void)
{
    return SMTP_REPLY_SETTING(550, 5, 7, 1,
                              "Policy would hold or discard this message: it is not returned",
                              "policy.milters");
}
