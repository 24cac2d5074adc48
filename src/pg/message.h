/*
 * message: the letters of protocol 3 (PostgreSQL docs, chapter "Message Formats").
 *
 * The same letter may mean one thing from a client and another from a server,
 * hence the two prefixes: FE_ is sent by a frontend, BE_ by a backend.
 */
#ifndef PG_MESSAGE_H
#define PG_MESSAGE_H

enum frontend_message {
	FE_BIND = 'B',
	FE_CLOSE = 'C',
	FE_COPY_DATA = 'd',
	FE_COPY_DONE = 'c',
	FE_COPY_FAIL = 'f',
	FE_DESCRIBE = 'D',
	FE_EXECUTE = 'E',
	FE_FLUSH = 'H',
	FE_FUNCTION_CALL = 'F',
	FE_PARSE = 'P',
	FE_PASSWORD = 'p',	/* also SASLInitialResponse, SASLResponse, GSSResponse */
	FE_QUERY = 'Q',
	FE_SYNC = 'S',
	FE_TERMINATE = 'X',
};

enum backend_message {
	BE_AUTHENTICATION = 'R',
	BE_BACKEND_KEY_DATA = 'K',
	BE_BIND_COMPLETE = '2',
	BE_CLOSE_COMPLETE = '3',
	BE_COMMAND_COMPLETE = 'C',
	BE_COPY_BOTH_RESPONSE = 'W',
	BE_COPY_DATA = 'd',
	BE_COPY_DONE = 'c',
	BE_COPY_IN_RESPONSE = 'G',
	BE_COPY_OUT_RESPONSE = 'H',
	BE_DATA_ROW = 'D',
	BE_EMPTY_QUERY_RESPONSE = 'I',
	BE_ERROR_RESPONSE = 'E',
	BE_FUNCTION_CALL_RESPONSE = 'V',
	BE_NEGOTIATE_PROTOCOL_VERSION = 'v',
	BE_NO_DATA = 'n',
	BE_NOTICE_RESPONSE = 'N',
	BE_NOTIFICATION_RESPONSE = 'A',
	BE_PARAMETER_DESCRIPTION = 't',
	BE_PARAMETER_STATUS = 'S',
	BE_PARSE_COMPLETE = '1',
	BE_PORTAL_SUSPENDED = 's',
	BE_READY_FOR_QUERY = 'Z',
	BE_ROW_DESCRIPTION = 'T',
};

/* The int32 behind BE_AUTHENTICATION. */
enum authentication_request {
	AUTHENTICATION_OK = 0,
	AUTHENTICATION_CLEARTEXT_PASSWORD = 3,
	AUTHENTICATION_MD5_PASSWORD = 5,
	AUTHENTICATION_SASL = 10,
	AUTHENTICATION_SASL_CONTINUE = 11,
	AUTHENTICATION_SASL_FINAL = 12,
};

/* The byte of ReadyForQuery. */
enum transaction_status {
	TRANSACTION_IDLE = 'I',
	TRANSACTION_OPEN = 'T',
	TRANSACTION_FAILED = 'E',
};

#endif
