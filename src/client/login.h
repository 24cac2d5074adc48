/*
 * login: from the first packet to a proven password (private to client/).
 *
 * One step a message; what is legal now is the client's state.  All lengths
 * are bounded before anything is kept: STARTUP_MAX for startup packets,
 * SCRAM_MESSAGE_MAX or SECRET_MAX for answers.
 */
#ifndef CLIENT_LOGIN_H
#define CLIENT_LOGIN_H

#include "client/client.h"

struct login *login_new(struct client *c);

/* Wipe and free; NULL is fine. A helper job that is under way is let go of. */
void login_free(struct login **l);

/* Bytes for CLIENT_STARTUP and CLIENT_PASSWORD. Returns how many were used. */
size_t login_startup_input(struct client *c, const uint8_t *p, size_t n);
size_t login_password_input(struct client *c, const uint8_t *p, size_t n);

#endif
