console_sources = \
	src/console/answer.c \
	src/console/answer.h \
	src/console/ban.c \
	src/console/ban.h \
	src/console/binary.c \
	src/console/binary.h \
	src/console/command.c \
	src/console/command.h \
	src/console/console.c \
	src/console/console.h \
	src/console/dialogue.c \
	src/console/dialogue.h \
	src/console/extended.c \
	src/console/extended.h \
	src/console/inside.h \
	src/console/manage.c \
	src/console/manage.h \
	src/console/order.c \
	src/console/order.h \
	src/console/parameters.c \
	src/console/parameters.h \
	src/console/provision.c \
	src/console/provision.h \
	src/console/show.c \
	src/console/show.h \
	src/console/syntax.c \
	src/console/syntax.h \
	src/console/task.c

src_libpgusher_a_SOURCES += $(console_sources)
