/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "client/internal.h"
#include "wire/error.h"

int error_set(struct gq_error *err, int result, const char *name, const char *fmt, ...)
{
    va_list ap;

    if (err == NULL)
        return result;
    *err = (struct gq_error){ 0 };
    snprintf(err->name, sizeof(err->name), "%s", name);
    va_start(ap, fmt);
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    return result;
}

static int errno_of(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR__TIMED_OUT:
    case RD_KAFKA_RESP_ERR__MSG_TIMED_OUT:
    case RD_KAFKA_RESP_ERR__TIMED_OUT_QUEUE:
    case RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT:
        return -ETIMEDOUT;
    case RD_KAFKA_RESP_ERR__TRANSPORT:
    case RD_KAFKA_RESP_ERR__RESOLVE:
    case RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN:
        return -EHOSTUNREACH;
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
        return -ENOENT;
    case RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS:
        return -EEXIST;
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
        return -ERANGE;
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        return -EMSGSIZE;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_PARTITIONS:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REQUEST:
        return -EINVAL;
    default:
        return -EREMOTEIO;
    }
}

/* Codes below 0 but -1 are librdkafka's own and have no name that a user would know. */
int error_from_kafka(struct gq_error *err, rd_kafka_resp_err_t code, const char *text)
{
    bool from_broker = code >= RD_KAFKA_RESP_ERR_UNKNOWN;
    const char *name = from_broker ? kafka_error_name(code) : NULL;
    const char *words = from_broker ? kafka_error_text(code) : NULL;

    if (text == NULL || text[0] == '\0')
        text = words != NULL ? words : rd_kafka_err2str(code);
    error_set(err, errno_of(code), name != NULL ? name : "", "%s", text);
    if (err != NULL && from_broker)
        err->code = code;
    return errno_of(code);
}
