/*
 * codes.h - msactl's exit codes.
 */
#ifndef MSA_CTL_CODES_H
#define MSA_CTL_CODES_H

enum ctl_code {
    CTL_DONE = 0,
    CTL_REFUSED = 1,     /* or a fault was found */
    CTL_USAGE = 2,       /* wrong arguments */
    CTL_UNREACHABLE = 3, /* the daemon is needed and does not answer */
};

#endif
