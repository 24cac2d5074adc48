net_sources = \
	src/net/address.c \
	src/net/address.h \
	src/net/certificate.c \
	src/net/certificate.h \
	src/net/dial.c \
	src/net/dial.h \
	src/net/gather.c \
	src/net/gather.h \
	src/net/helpers.c \
	src/net/helpers.h \
	src/net/inbox.c \
	src/net/inbox.h \
	src/net/interfaces.c \
	src/net/interfaces.h \
	src/net/leash.c \
	src/net/leash.h \
	src/net/listener.c \
	src/net/listener.h \
	src/net/loop.c \
	src/net/loop.h \
	src/net/mailbox.c \
	src/net/mailbox.h \
	src/net/proxy.c \
	src/net/proxy.h \
	src/net/resolve.c \
	src/net/resolve.h \
	src/net/secure_bufferevent.c \
	src/net/secure_bufferevent.h \
	src/net/stream.c \
	src/net/stream.h \
	src/net/tls.c \
	src/net/tls.h \
	src/net/tls_inside.h \
	src/net/tls_stream.c \
	src/net/tls_stream.h \
	src/net/watch.c \
	src/net/watch.h

src_libpgusher_a_SOURCES += $(net_sources)
