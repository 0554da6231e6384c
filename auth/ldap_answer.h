/*
 * ldap_answer.h - what a directory answered when Cyrus' plugin ldapdb asked it for a user: the
 * result code (RFC 4511 4.1.9), which the plugin keeps to itself.
 *
 * The plugin asks "who am I", for the user (RFC 4370, RFC 4532), and then for his entry; to a user
 * whom OpenLDAP does not know, to a directory that is too busy and to one that is broken it says
 * the same. So the two functions of libldap that ask are ours, exported by the program, and hand on
 * to the real ones. What fails before them is no answer about a user. A plugin whose calls do not
 * come here leaves no answer, which is a fault and never a user who does not exist.
 *
 * auth_ldap_answer_follow() and leave(): one thread, while nobody asks. The rest: the thread that
 * asks, about its own question.
 */
#ifndef AUTH_LDAP_ANSWER_H
#define AUTH_LDAP_ANSWER_H

#include "msa/base/buf.h"

#define AUTH_LDAP_ANSWER_MAX 160

/* library: the plugin's, as dlopen() gave it; whatever plugin that is. */
void auth_ldap_answer_follow(void *library);
void auth_ldap_answer_leave(void);
/* Before each question. */
void auth_ldap_answer_forget(void);
/* Whether it was asked about a user at all; false: it did not come so far, as it did not let us in.
 */
bool auth_ldap_answer_came(void);
/* Whether it refuses to let us act for, or see, just this user: that is how it says that it does
 * not know him. */
bool auth_ldap_answer_refuses(void);
/* Its last answer, or why none came back, in words; false: it was not asked, or told what it
 * should. */
bool auth_ldap_answer_text(char out[AUTH_LDAP_ANSWER_MAX]);

#endif
