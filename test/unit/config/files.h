/*
 * files: each test runs in a directory of its own, with the log in log.txt.
 *
 *	TestSuite(name, .init = files_begin, .fini = files_end);
 */
#ifndef TEST_CONFIG_FILES_H
#define TEST_CONFIG_FILES_H

#include "config/config.h"

void files_begin(void);
void files_end(void);

void files_write(const char *name, const char *text);

/* How often does the log say this? */
int files_logged(const char *text);

/* Load this text as t.ini; it must do. */
const struct config *files_load(const char *text);
const struct config *files_reload(const char *text, const struct config *running);

/* It must be refused, with a message that begins so. */
void files_refuse(const char *text, const char *message);
void files_refuse_reload(const char *text, const struct config *running, const char *message);

/* SET: *c is replaced by its successor. */
void files_set(const struct config **c, const char *key, const char *value);

/* It must be refused, with a message that holds this. */
void files_refuse_set(const struct config *c, const char *key, const char *value, const char *message);

#endif
