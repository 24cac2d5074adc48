client_sources = \
	src/client/attempts.c \
	src/client/attempts.h \
	src/client/bans.c \
	src/client/bans.h \
	src/client/client.c \
	src/client/client.h \
	src/client/fingerprint.c \
	src/client/fingerprint.h \
	src/client/login.c \
	src/client/login.h \
	src/client/password.c \
	src/client/sasl.c \
	src/client/startup.c \
	src/client/verifiers.c \
	src/client/verifiers.h

src_libpgusher_a_SOURCES += $(client_sources)
