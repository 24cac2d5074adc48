auth_sources = \
	src/auth/base64.c \
	src/auth/base64.h \
	src/auth/digest.c \
	src/auth/digest.h \
	src/auth/hba.c \
	src/auth/hba.h \
	src/auth/hba_text.c \
	src/auth/hba_text.h \
	src/auth/ident.c \
	src/auth/saslprep.c \
	src/auth/saslprep.h \
	src/auth/scram.c \
	src/auth/scram.h \
	src/auth/scram_client.c \
	src/auth/scram_message.c \
	src/auth/scram_message.h \
	src/auth/scram_server.c \
	src/auth/secret.c \
	src/auth/secret.h

src_libpgusher_a_SOURCES += $(auth_sources)
