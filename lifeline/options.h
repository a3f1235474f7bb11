/* What all commands do alike: arguments, opening the recording, the end of the output. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "recording.h"

#define OPTIONS_GO_ON -1

/* For a command whose only argument is a recording. OPTIONS_GO_ON with its path, or the exit status: 0 after --help
 * was printed, 2 after a complaint. */
int options_one_file(int argc, char **argv, const char *help, const char **path);

/* One line on standard error: how the command was misused, and where to read more. Returns 2. */
int options_bad(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Takes "NAME VALUE" out of the arguments, wherever it stands. False when the value is missing; *value stays as it is when
 * the option is not given. */
bool options_take(int *argc, char **argv, const char *name, const char **value);

/* A number from 0 to 4,294,967,295, and nothing else. */
bool options_number(const char *text, uint32_t *number);

/* recording_open that complains on standard error itself: "lifeline: run.trace: is empty". */
int recording_open_or_say(struct recording *rec, const char *path);

/* Flushes standard output. 0, or 2 with a line on standard error when it could not be written whole. */
int finish_output(void);

#endif
