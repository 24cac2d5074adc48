#include "net/secure_bufferevent.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>

#include "net/tls_inside.h"

/* The SSL holds a reference to its SSL_CTX, so the context itself need not be kept. */
struct bufferevent *
secure_bufferevent_new(struct event_base *base, struct tls_context *c)
{
	SSL *ssl = SSL_new(c->ssl);
	struct bufferevent *b;

	if (ssl == NULL)
		return NULL;
	/* libevent waits for the socket when SSL_pending is 0, and that does not count what was read ahead. */
	SSL_set_read_ahead(ssl, 0);
	b = bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (b == NULL) {
		SSL_free(ssl);
		return NULL;
	}
	/* HTTP says where an answer ends, so a peer that just closes cuts nothing off unseen. */
	bufferevent_openssl_set_allow_dirty_shutdown(b, 1);
	return b;
}
