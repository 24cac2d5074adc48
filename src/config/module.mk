config_sources = \
	src/config/access.c \
	src/config/access.h \
	src/config/arena.c \
	src/config/arena.h \
	src/config/check.c \
	src/config/check.h \
	src/config/config.c \
	src/config/config.h \
	src/config/connstr.c \
	src/config/connstr.h \
	src/config/contexts.c \
	src/config/contexts.h \
	src/config/demands.c \
	src/config/demands.h \
	src/config/faults.c \
	src/config/faults.h \
	src/config/file.c \
	src/config/file.h \
	src/config/hosts.c \
	src/config/hosts.h \
	src/config/http.c \
	src/config/http.h \
	src/config/ini.c \
	src/config/ini.h \
	src/config/keys.c \
	src/config/keys.h \
	src/config/limits.c \
	src/config/limits.h \
	src/config/lines.c \
	src/config/lines.h \
	src/config/load.c \
	src/config/load.h \
	src/config/lookup.c \
	src/config/lookup.h \
	src/config/networks.c \
	src/config/networks.h \
	src/config/reference.c \
	src/config/reference.h \
	src/config/scan.c \
	src/config/scan.h \
	src/config/settings.c \
	src/config/settings.h \
	src/config/slots.c \
	src/config/slots.h \
	src/config/snapshot.h \
	src/config/template.c \
	src/config/template.h \
	src/config/userlist.c \
	src/config/userlist.h \
	src/config/value.c \
	src/config/value.h

src_libpgusher_a_SOURCES += $(config_sources)

# What the key tables say, as documents.  test/unit/config fails when one has fallen behind.
check_PROGRAMS += doc/print_reference
doc_print_reference_SOURCES = doc/print_reference.c
doc_print_reference_LDADD = $(pgusher_libs)

reference: doc/print_reference
	doc/print_reference manual > pgusher.5.new && mv pgusher.5.new $(srcdir)/doc/pgusher.5
	doc/print_reference sample > pgusher.ini.new && mv pgusher.ini.new $(srcdir)/etc/pgusher.ini

.PHONY: reference
