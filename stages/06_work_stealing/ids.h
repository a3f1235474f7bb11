/* Numbers for recordings and messages: from 1, each only once in a program. */
#ifndef IDS_H
#define IDS_H

#include <stdint.h>

enum id_kind { ID_FUTURE, ID_TASK, ID_KINDS };

/* Any thread. A thread takes numbers in blocks, so that threads which make many futures at once do not fight for one
 * counter; only while a recording is made one by one, as then a person will read them. */
uint32_t id_new(enum id_kind kind);

#endif
