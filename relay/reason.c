#include "relay/reason.h"

#include <stddef.h>

#define ANY UINT16_MAX /* the rest of the subject; stands behind its other rows */

static const struct {
    uint16_t subject, detail;
    const char *words;
} reasons[] = {
    {1, 1, "There is no such mailbox. Please look whether the address is spelt correctly."},
    {1, 2, "The domain of this address does not exist. Please look whether it is spelt correctly."},
    {1, 3, "This is not how an address is written. Please look whether it is spelt correctly."},
    {1, 4, "The address fits several mailboxes there."},
    {1, 6, "The mailbox has moved, and its new address is not known."},
    {1, 7, "The receiving server cannot read the address that the message comes from."},
    {1, 8, "The receiving server does not accept the address that the message comes from."},
    {1, 10, "The domain of this address takes no mail at all."},
    {1, ANY, "The receiving server does not accept this address."},
    {2, 1, "The mailbox is switched off, or takes no mail now."},
    {2, 2, "The mailbox is full."},
    {2, 3, "The message is larger than this mailbox takes."},
    {2, 4, "The mailing list behind this address could not be used."},
    {2, ANY, "The mailbox cannot take the message."},
    {3, 1, "The receiving server has no room left."},
    {3, 2, "The receiving server takes no mail now."},
    {3, 3,
     "The receiving server cannot do what the message needs, or asks for what this server "
     "cannot do."},
    {3, 4, "The message is larger than the receiving server takes."},
    {3, 6, "The receiving server could not take the priority that the message has."},
    {3, ANY, "The receiving server has trouble of its own."},
    {4, 1, "The receiving server could not be reached."},
    {4, 2, "The connection to the receiving server broke off."},
    {4, 3, "Where mail for this domain goes could not be found out."},
    {4, 4, "No server that takes mail for this domain could be found."},
    {4, 5, "The receiving server has too much to do."},
    {4, 6, "The message goes round in a circle between servers."},
    {4, 7, "The message could not be delivered in the time that it had."},
    {4, ANY, "The receiving server could not be reached."},
    {5, 3, "The message has more recipients than the receiving server takes at once."},
    {5, ANY, "The two servers did not understand each other."},
    {6, 7, "The receiving server does not take addresses with letters beyond ASCII."},
    {6, 9, "The receiving server does not take header fields with letters beyond ASCII."},
    {6, ANY, "The receiving server does not take content of this kind."},
    {7, 2, "You may not write to this mailing list."},
    {7, 4, "The security that is demanded could not be had from the receiving server."},
    {7, 5, "The receiving server could not prove who it is in the way that is demanded."},
    {7, 8, "This server could not log in there."},
    {7, 9, "This server could not log in there."},
    {7, 10,
     "The message was to travel encrypted only, and the receiving server did not offer that "
     "in a way that can be trusted."},
    {7, 13, "The account is switched off."},
    {7, 15, "The priority of the message is too low for the receiving server now."},
    {7, 16, "The message is too large for its priority."},
    {7, 17, "The mailbox has another owner than the one you know."},
    {7, 18, "The domain has another owner than the one you know."},
    {7, 19, "Whether the mailbox still belongs to the owner you know could not be found out."},
    {7, 20, "The receiving server found no valid signature (DKIM) in the message."},
    {7, 21, "The receiving server found no acceptable signature (DKIM) in the message."},
    {7, 22, "The receiving server found no signature (DKIM) of the author's domain."},
    {7, 23,
     "The receiving server does not accept that this server sends mail for your domain "
     "(SPF)."},
    {7, 24,
     "Whether this server may send mail for your domain could not be found out there (SPF)."},
    {7, 25, "The receiving server asks for a name of this server's address (reverse DNS)."},
    {7, 26, "The receiving server could not see that the message is from your domain (SPF, DKIM)."},
    {7, 27, "Your address takes no mail, and the receiving server asks for one that does."},
    {7, 28,
     "The receiving server gets more mail from here, or to this mailbox, than it takes in "
     "so short a time."},
    {7, 29, "The chain of servers (ARC) of the message was not accepted."},
    {7, 30,
     "The message was to travel encrypted only, and the receiving server does not promise "
     "that for the rest of its way."},
    {7, ANY,
     "The receiving server refuses the message by a rule of its own, for example because it "
     "takes it for unwanted mail."},
};

const char *relay_reason(struct smtp_status s)
{
    if (s.class != 4 && s.class != 5)
        return NULL;
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].subject == s.subject &&
            (reasons[i].detail == s.detail || reasons[i].detail == ANY))
            return reasons[i].words;
    return NULL;
}
