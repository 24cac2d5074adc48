base_sources = \
	src/base/buffer.c \
	src/base/buffer.h \
	src/base/clock.c \
	src/base/clock.h \
	src/base/error.c \
	src/base/error.h \
	src/base/histogram.c \
	src/base/histogram.h \
	src/base/json.c \
	src/base/json.h \
	src/base/log.c \
	src/base/log.h \
	src/base/log_syslog.c \
	src/base/log_syslog.h \
	src/base/memory.c \
	src/base/memory.h \
	src/base/report.c \
	src/base/report.h \
	src/base/sqlstate.h \
	src/base/strings.c \
	src/base/strings.h

src_libpgusher_a_SOURCES += $(base_sources)
