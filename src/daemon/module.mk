daemon_sources = \
	src/daemon/control.c \
	src/daemon/control.h \
	src/daemon/message.h \
	src/daemon/options.c \
	src/daemon/options.h \
	src/daemon/process.c \
	src/daemon/process.h \
	src/daemon/worker.c \
	src/daemon/worker.h

src_libpgusher_a_SOURCES += $(daemon_sources)
