daemon_sources = \
	src/daemon/check.c \
	src/daemon/check.h \
	src/daemon/control.c \
	src/daemon/control.h \
	src/daemon/desk.c \
	src/daemon/desk.h \
	src/daemon/message.h \
	src/daemon/move.c \
	src/daemon/move.h \
	src/daemon/options.c \
	src/daemon/options.h \
	src/daemon/probe.c \
	src/daemon/probe.h \
	src/daemon/process.c \
	src/daemon/process.h \
	src/daemon/spreader.c \
	src/daemon/spreader.h \
	src/daemon/worker.c \
	src/daemon/worker.h

src_libpgusher_a_SOURCES += $(daemon_sources)
