pg_sources = \
	src/pg/cancel.c \
	src/pg/cancel.h \
	src/pg/frame.h \
	src/pg/message.h \
	src/pg/params.c \
	src/pg/params.h \
	src/pg/reader.c \
	src/pg/reader.h \
	src/pg/response.c \
	src/pg/response.h \
	src/pg/startup.c \
	src/pg/startup.h \
	src/pg/writer.c \
	src/pg/writer.h

src_libpgusher_a_SOURCES += $(pg_sources)
