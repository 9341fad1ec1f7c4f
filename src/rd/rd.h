/* SPDX-License-Identifier: Apache-2.0 */
/* librdkafka behind one table of function pointers. No room calls rd_kafka_*() by name.
 *
 *     const struct weir_rd *rd = weir_rd(&err);      NULL: the process has no librdkafka
 *     rd_kafka_conf_t *conf = rd->conf_new();
 *
 * The program that Weir is a guest in brings librdkafka: as a shared library, linked into the
 * executable, or private to a language's package. The table is filled once from wherever it is, so
 * the same code serves all of them and libweir has no strong reference to librdkafka.
 *
 * weir_rd_search() finds it: in libweir that is what the linker bound (weak references), else what
 * the process has loaded, else librdkafka.so.1 (linked.c); the plugin has its own and looks at who
 * calls it (rd/resolve.h). A process may have two librdkafkas: each has a table, and a handle keeps
 * the one that it was made with.
 *
 * Threads: any. Memory: the table lives as long as the process.
 */
#ifndef WEIR_RD_RD_H
#define WEIR_RD_RD_H

#include <librdkafka/rdkafka.h>

#include "base/error.h"

/* clang-format off */
/* Every call that Weir uses, without its rd_kafka_ prefix; all of them exist since 2.0.2. */
#define WEIR_RD_CALLS(X)                                                                          \
    X(version) X(version_str) X(err2str) X(err2name) X(last_error)                                \
    X(error_code) X(error_string) X(error_is_fatal) X(error_is_retriable) X(error_destroy)        \
    X(error_txn_requires_abort)                                                                   \
    X(conf_new) X(conf_dup) X(conf_destroy) X(conf_set) X(conf_get) X(conf_dump)                  \
    X(conf_dump_free) X(conf_set_opaque) X(conf_set_dr_msg_cb) X(conf_set_rebalance_cb)           \
    X(conf_set_offset_commit_cb) X(conf_set_error_cb) X(conf_set_stats_cb) X(conf_set_log_cb)     \
    X(conf_set_throttle_cb) X(conf_set_events) X(conf_interceptor_add_on_new)                     \
    X(conf_interceptor_add_on_conf_dup) X(conf_interceptor_add_on_conf_destroy)                   \
    X(conf_interceptor_add_on_conf_set) X(mem_free)                                               \
    X(interceptor_add_on_send) X(interceptor_add_on_acknowledgement)                              \
    X(interceptor_add_on_consume) X(interceptor_add_on_commit) X(interceptor_add_on_destroy)      \
    X(interceptor_add_on_request_sent) X(interceptor_add_on_response_received)                    \
    X(interceptor_add_on_broker_state_change)                                                     \
    X(new) X(destroy) X(destroy_flags) X(name) X(type) X(memberid) X(clusterid) X(opaque)         \
    X(conf) X(fatal_error) X(poll) X(poll_set_consumer) X(flush) X(purge) X(outq_len)             \
    X(set_log_queue)                                                                              \
    X(topic_new) X(topic_destroy) X(topic_name) X(produceva)                                      \
    X(message_destroy) X(message_headers) X(message_detach_headers) X(message_set_headers)        \
    X(message_timestamp) X(message_latency) X(message_status) X(message_broker_id)                \
    X(message_errstr)                                                                             \
    X(headers_new) X(headers_copy) X(headers_destroy) X(header_add) X(header_remove)              \
    X(header_get) X(header_get_last) X(header_get_all) X(header_cnt)                              \
    X(subscribe) X(unsubscribe) X(subscription) X(consumer_poll) X(consumer_close)                \
    X(consumer_close_queue) X(consumer_closed) X(assign) X(assignment) X(incremental_assign)      \
    X(incremental_unassign) X(assignment_lost) X(rebalance_protocol) X(commit) X(commit_queue)    \
    X(committed) X(position) X(pause_partitions) X(resume_partitions) X(seek_partitions)          \
    X(offsets_store) X(offsets_for_times) X(query_watermark_offsets) X(get_watermark_offsets)     \
    X(consumer_group_metadata) X(consumer_group_metadata_destroy)                                 \
    X(queue_new) X(queue_destroy) X(queue_poll) X(queue_poll_callback) X(queue_forward)           \
    X(queue_get_main) X(queue_get_consumer) X(queue_get_partition) X(queue_length)                \
    X(queue_yield) X(queue_io_event_enable) X(queue_cb_event_enable) X(consume_batch_queue)       \
    X(event_type) X(event_destroy) X(event_error) X(event_error_string) X(event_opaque)           \
    X(event_topic_partition_list)                                                                 \
    X(topic_partition_list_new) X(topic_partition_list_destroy) X(topic_partition_list_add)       \
    X(topic_partition_list_find) X(topic_partition_list_copy) X(topic_partition_list_del)         \
    X(topic_partition_list_sort)                                                                  \
    X(metadata) X(metadata_destroy) X(list_groups) X(group_list_destroy)                          \
    X(NewTopic_new) X(NewTopic_destroy) X(NewTopic_set_config) X(CreateTopics)                    \
    X(AdminOptions_new) X(AdminOptions_destroy) X(AdminOptions_set_request_timeout)               \
    X(AdminOptions_set_operation_timeout) X(event_CreateTopics_result)                            \
    X(CreateTopics_result_topics) X(topic_result_error) X(topic_result_error_string)              \
    X(topic_result_name)                                                                          \
    X(ListConsumerGroups) X(event_ListConsumerGroups_result) X(ListConsumerGroups_result_valid)   \
    X(ConsumerGroupListing_group_id) X(DescribeConsumerGroups)                                    \
    X(event_DescribeConsumerGroups_result) X(DescribeConsumerGroups_result_groups)                \
    X(ConsumerGroupDescription_group_id) X(ConsumerGroupDescription_error)                        \
    X(ConsumerGroupDescription_state) X(ConsumerGroupDescription_member_count)                    \
    X(ConsumerGroupDescription_member) X(MemberDescription_client_id)                             \
    X(MemberDescription_consumer_id) X(MemberDescription_host) X(MemberDescription_assignment)    \
    X(MemberAssignment_partitions) X(consumer_group_state_name)                                   \
    X(ListConsumerGroupOffsets_new) X(ListConsumerGroupOffsets_destroy)                           \
    X(ListConsumerGroupOffsets) X(event_ListConsumerGroupOffsets_result)                          \
    X(ListConsumerGroupOffsets_result_groups) X(group_result_partitions) X(group_result_error)

/* Calls that only some make, since 2.0.2: transactions of our own producers, the Admin API for
 * weir/admin.h and weir doctor. NULL where a host was linked without them, so ask before
 * calling. */
#define WEIR_RD_CALLS_ADMIN(X)                                                                    \
    X(init_transactions) X(begin_transaction) X(send_offsets_to_transaction)                      \
    X(commit_transaction) X(abort_transaction)                                                    \
    X(controllerid)                                                                               \
    X(DeleteTopic_new) X(DeleteTopic_destroy) X(DeleteTopics) X(event_DeleteTopics_result)        \
    X(DeleteTopics_result_topics)                                                                 \
    X(NewPartitions_new) X(NewPartitions_destroy) X(CreatePartitions)                             \
    X(event_CreatePartitions_result) X(CreatePartitions_result_topics)                            \
    X(DeleteRecords_new) X(DeleteRecords_destroy) X(DeleteRecords) X(event_DeleteRecords_result)  \
    X(DeleteRecords_result_offsets)                                                               \
    X(ConfigResource_new) X(ConfigResource_destroy) X(ConfigResource_set_config)                  \
    X(ConfigResource_configs) X(ConfigResource_error) X(ConfigResource_error_string)              \
    X(ConfigResource_name)                                                                        \
    X(ConfigEntry_name) X(ConfigEntry_value) X(ConfigEntry_source) X(ConfigEntry_is_default)      \
    X(ConfigEntry_is_read_only) X(ConfigEntry_is_sensitive)                                       \
    X(DescribeConfigs) X(event_DescribeConfigs_result) X(DescribeConfigs_result_resources)        \
    X(AlterConfigs) X(event_AlterConfigs_result) X(AlterConfigs_result_resources)                 \
    X(ListConsumerGroups_result_errors) X(ConsumerGroupListing_state)                             \
    X(ConsumerGroupListing_is_simple_consumer_group)                                              \
    X(ConsumerGroupDescription_partition_assignor) X(ConsumerGroupDescription_coordinator)        \
    X(Node_host) X(Node_port) X(Node_id)

/* Calls of newer librdkafka: NULL where the host's is older, so ask before calling. The types are
 * our own, since the headers that we compile against may be older too. */
#define WEIR_RD_CALLS_NEWER(X)                                                                    \
    X(message_leader_epoch, int32_t, (const rd_kafka_message_t *), "2.1")                         \
    X(topic_partition_set_leader_epoch, void, (rd_kafka_topic_partition_t *, int32_t), "2.1")     \
    X(ConfigResource_add_incremental_config, rd_kafka_error_t *,                                  \
      (rd_kafka_ConfigResource_t *, const char *, unsigned, const char *), "2.2")                 \
    X(IncrementalAlterConfigs, void,                                                              \
      (rd_kafka_t *, rd_kafka_ConfigResource_t **, size_t, const rd_kafka_AdminOptions_t *,       \
       rd_kafka_queue_t *), "2.2")                                                                \
    X(event_IncrementalAlterConfigs_result, const rd_kafka_event_t *, (rd_kafka_event_t *),       \
      "2.2")                                                                                      \
    X(IncrementalAlterConfigs_result_resources, const rd_kafka_ConfigResource_t **,               \
      (const rd_kafka_event_t *, size_t *), "2.2")

/* clang-format on */

struct weir_rd {
#define WEIR_RD_FIELD(call) __typeof__(rd_kafka_##call) *call;
    WEIR_RD_CALLS(WEIR_RD_FIELD)
    WEIR_RD_CALLS_ADMIN(WEIR_RD_FIELD)
#undef WEIR_RD_FIELD
#define WEIR_RD_FIELD(call, result, parameters, since) result(*call) parameters;
    WEIR_RD_CALLS_NEWER(WEIR_RD_FIELD)
#undef WEIR_RD_FIELD
};

/* Address of a symbol by its full name ("rd_kafka_new"), or NULL. */
typedef void *weir_rd_lookup(void *arg, const char *symbol);

/* The process's table, resolved at the first call. NULL with WEIR_EUNSUPPORTED when there is no
 * librdkafka or one older than 2.0.2; asked again, it looks again. */
const struct weir_rd *weir_rd(struct weir_error *reterr);
/* Looks for the process's librdkafka. Implemented in linked.c, or by the program instead. */
int weir_rd_search(struct weir_rd *rd, struct weir_error *reterr);
/* Makes `rd` (kept) the process's table unless there is one already; false: there is another. */
bool weir_rd_adopt(const struct weir_rd *rd);
/* From now on weir_rd() gives `rd` on this thread (NULL: the process's again). Gives what was
 * entered before, to be entered again afterwards. */
const struct weir_rd *weir_rd_enter(const struct weir_rd *rd);
/* Fills a table through `lookup`. WEIR_EUNSUPPORTED names the first missing symbol. */
int weir_rd_fill(struct weir_rd *rd, weir_rd_lookup *lookup, void *arg, struct weir_error *reterr);

/* librdkafka's error as a code of ours: what the caller may do about it, not what happened. */
int weir_rd_code(rd_kafka_resp_err_t err);
/* The `error.type` of spans and metrics: Kafka's own name where librdkafka abbreviates it
 * ("UNKNOWN_TOPIC_OR_PARTITION"), else librdkafka's ("_TRANSPORT"). Static text, or librdkafka's.
 */
const char *weir_rd_error_type(const struct weir_rd *rd, rd_kafka_resp_err_t err);

#endif
