/*
 * message: everything that threads say to each other.
 *
 * One kind, one struct, one owner at a time: with the message goes all it
 * points to.  See net/mailbox.h.
 */
#ifndef DAEMON_MESSAGE_H
#define DAEMON_MESSAGE_H

#include "client/client.h"
#include "console/console.h"
#include "net/mailbox.h"
#include "session/arrival.h"
#include "session/inquiry.h"
#include "session/lookup.h"
#include "session/move.h"
#include "stats/slow_query.h"
#include "threat/threat.h"

enum message_kind {
	MESSAGE_JOB_DONE,	/* struct helper_job: helper -> who submitted it */
	MESSAGE_CLIENT,		/* struct client_message: worker -> worker or control */
	MESSAGE_VISIT,		/* struct visit_message: control -> worker, and back as MESSAGE_VISITED */
	MESSAGE_VISITED,
	MESSAGE_WAKE,		/* struct mail: a budget has room again, worker -> worker */
	MESSAGE_HOST,		/* struct mail: the registry of hosts has something for this worker */
	MESSAGE_EVICT,		/* struct evict_message: worker -> worker */
	MESSAGE_LOOK_UP,	/* struct lookup: worker or control -> worker, and back as MESSAGE_FOUND */
	MESSAGE_FOUND,
	MESSAGE_SLOW,		/* struct slow_query: worker -> control */
	MESSAGE_THREAT,		/* struct threat: worker -> control */
	MESSAGE_FIND_TENANT,	/* struct tenant_question: worker -> control, and back as MESSAGE_TENANT_FOUND */
	MESSAGE_TENANT_FOUND,
	MESSAGE_SESSION,	/* struct session_message: worker -> worker */
	MESSAGE_SERVER,		/* struct server_message: worker -> worker */
	MESSAGE_STOP,		/* struct stop_message: control -> worker */
	MESSAGE_KINDS,
};

/* A client changes threads; it is detached from everything. */
struct client_message {
	struct mail mail;
	struct client *client;
	int to;				/* worker, or CONSOLE */
	struct deferred deferred;
	struct shard *from;
};

/* A session changes threads. */
struct session_message {
	struct mail mail;
	struct session_parcel *session;
};

/* An idle server changes threads. */
struct server_message {
	struct mail mail;
	struct server_parcel *server;
};

/* An inquiry looks at one shard. */
struct visit_message {
	struct mail mail;
	struct deferred deferred;
	struct inquiry *inquiry;
	struct worker *worker;
};

/* Drop an idle server of this user. */
struct evict_message {
	struct mail mail;
	char user[];
};

/* Close everything and leave the loop. */
struct stop_message {
	struct mail mail;
	struct error error;		/* what clients are told */
};

#endif
