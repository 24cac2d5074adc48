session_sources = \
	src/session/arrival.c \
	src/session/arrival.h \
	src/session/authenticate.c \
	src/session/authenticate.h \
	src/session/inquiry.h \
	src/session/label.c \
	src/session/label.h \
	src/session/learn.c \
	src/session/learn.h \
	src/session/link.c \
	src/session/link.h \
	src/session/login.c \
	src/session/lookup.c \
	src/session/lookup.h \
	src/session/move.c \
	src/session/move.h \
	src/session/names.c \
	src/session/names.h \
	src/session/naming.c \
	src/session/parameters.c \
	src/session/pipeline.c \
	src/session/pipeline.h \
	src/session/plan.c \
	src/session/plan.h \
	src/session/prepared.c \
	src/session/prepared.h \
	src/session/reply.c \
	src/session/request.c \
	src/session/request.h \
	src/session/retry.c \
	src/session/retry.h \
	src/session/session.c \
	src/session/session.h \
	src/session/shard.c \
	src/session/shard.h \
	src/session/slow.c \
	src/session/slow.h \
	src/session/statement.c \
	src/session/statement.h \
	src/session/timing.c \
	src/session/timing.h \
	src/session/tunnel.c \
	src/session/upkeep.c \
	src/session/values.c \
	src/session/values.h

src_libpgusher_a_SOURCES += $(session_sources)
