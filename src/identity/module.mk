identity_sources = \
	src/identity/deadline.c \
	src/identity/deadline.h \
	src/identity/directory.c \
	src/identity/directory.h \
	src/identity/identity.h \
	src/identity/ldap.c \
	src/identity/pam.c

src_libpgusher_a_SOURCES += $(identity_sources)
