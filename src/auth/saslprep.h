/*
 * saslprep: the form in which a password is hashed (RFC 4013), as PostgreSQL
 * does it: pure ASCII stays as it is, and so does a password that is not
 * UTF-8 or that SASLprep refuses.
 *
 * The Unicode tables are libidn's.  They are those of Unicode 3.2, which the
 * RFC names; a letter that is younger makes the password stay as it is.
 * Where Unicode mended its own tables since (corrigendum 4: five rare Chinese
 * characters; 5: Hangul jamo torn apart by a combining mark) PostgreSQL's
 * result is another.  No other difference is known.
 *
 * Normalizing takes quadratic time when a stranger asks for it (a run of
 * combining marks), so that a password of more than SASLPREP_MAX bytes stays
 * as it is, too: there we differ from PostgreSQL, if SASLprep would change it.
 *
 * Private to auth/.  Pure functions, any thread.
 */
#ifndef AUTH_SASLPREP_H
#define AUTH_SASLPREP_H

#define SASLPREP_MAX 4096

/* Never NULL; free with memory_free_secret. */
char *saslprep(const char *password);

#endif
