// SPDX-License-Identifier: Apache-2.0
// The same topic once more, in C++17: counts what was ordered. Handles close themselves, and what a
// handler throws marks the message's span.
#include <csignal>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <weir/kafka.h>

namespace {

using Consumer = std::unique_ptr<weir_consumer, decltype(&weir_consumer_close)>;
using Handler = std::function<void(std::string_view order, weir_span *span)>;

weir_consumer *running = nullptr;

extern "C" int consume(void *arg, weir_message *message, weir_task *task) {
    try {
        auto &handler = *static_cast<Handler *>(arg);
        handler({static_cast<const char *>(message->value), message->value_size},
                weir_task_span(task));
        return WEIR_OK;
    } catch (const std::exception &error) {
        weir_task_fail(task, "AuditError", error.what());
        return WEIR_EINVALID;
    }
}

extern "C" void on_signal(int) {
    weir_consumer_stop(running);
}

} // namespace

int main(int argc, char **argv) {
    const std::string topic = argc > 1 ? argv[1] : "orders";
    weir_options options{};
    options.struct_size = sizeof options;
    options.service_name = "audit";
    weir_error error{};
    if (weir_init(&options, &error) != WEIR_OK)
        return std::fprintf(stderr, "audit: %s\n", error.message), 1;

    long seen = 0;
    Handler handler = [&seen](std::string_view order, weir_span *span) {
        if (order.find("\"order_id\"") == order.npos) throw std::runtime_error("no order_id");
        weir_span_set(span, WEIR_INT("audit.seen", ++seen));
    };

    weir_kafka_options kafka{};
    kafka.struct_size = sizeof kafka;
    kafka.group_id = "audit";
    const char *topics[] = {topic.c_str(), nullptr};
    Consumer consumer(weir_consumer_open(&kafka, topics, &error), weir_consumer_close);
    if (!consumer) return std::fprintf(stderr, "audit: %s\n", error.message), 1;
    running = consumer.get();
    std::signal(SIGTERM, on_signal);
    std::signal(SIGINT, on_signal);
    weir_group_handler group{};
    group.consume = consume;
    group.arg = &handler;
    const int code = weir_consumer_run(consumer.get(), &group, &error);
    std::printf("audit: %ld orders\n", seen);
    consumer.reset();
    weir_shutdown(5000, nullptr);
    return code == WEIR_OK ? 0 : 1;
}
