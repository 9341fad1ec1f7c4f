/* SPDX-License-Identifier: Apache-2.0 */
#include "app/options.h"

#include "wire/yaml.h"

const struct weir_option weir_options[] = {
    {"config", "WEIR_CONFIG", NULL, WEIR_OPTION_STRING, "FILE", NULL,
     "Read settings from a YAML file in the OpenTelemetry Collector's shape."},
    {"data", "WEIR_DATA", "exporters.weir.path", WEIR_OPTION_STRING, "DIR", NULL,
     "Keep traces, metrics and logs in this folder (default $XDG_STATE_HOME/weir, else "
     "~/.local/state/weir)."},
    {"listen-otlp-grpc", "WEIR_LISTEN_OTLP_GRPC", "receivers.otlp.protocols.grpc.endpoint",
     WEIR_OPTION_ADDRESS, "HOST:PORT", "127.0.0.1:4317",
     "Take OTLP over gRPC here; off closes it."},
    {"listen-otlp-http", "WEIR_LISTEN_OTLP_HTTP", "receivers.otlp.protocols.http.endpoint",
     WEIR_OPTION_ADDRESS, "HOST:PORT", "127.0.0.1:4318",
     "Take OTLP over HTTP (protobuf and JSON) here; off closes it."},
    {"listen", "WEIR_LISTEN", "extensions.weir_ui.endpoint", WEIR_OPTION_ADDRESS, "HOST:PORT",
     "127.0.0.1:3000", "Serve the web page and every query API here; off closes it."},
    {"listen-health", "WEIR_LISTEN_HEALTH", "extensions.health_check.endpoint", WEIR_OPTION_ADDRESS,
     "HOST:PORT", "off", "Tell load balancers here whether this server is ready."},
    {"listen-metrics", "WEIR_LISTEN_METRICS", "service.telemetry.metrics.address",
     WEIR_OPTION_ADDRESS, "HOST:PORT", "off",
     "Serve the server's own /metrics here too, as the Collector does on port 8888."},
    {"tls-cert", "WEIR_TLS_CERT", "service.tls.cert_file", WEIR_OPTION_STRING, "FILE", NULL,
     "Speak TLS on every door, with this certificate and its chain (PEM); read again when it "
     "changes."},
    {"tls-key", "WEIR_TLS_KEY", "service.tls.key_file", WEIR_OPTION_STRING, "FILE", NULL,
     "The key of that certificate (PEM, without a password)."},
    {"tls-client-ca", "WEIR_TLS_CLIENT_CA", "service.tls.client_ca_file", WEIR_OPTION_STRING,
     "FILE", NULL, "Let in only who shows a certificate of these authorities (PEM)."},
    {"tls-min-version", "WEIR_TLS_MIN_VERSION", "service.tls.min_version", WEIR_OPTION_STRING,
     "VERSION", "1.2", "Refuse TLS below this version, 1.2 or 1.3."},
    {"memory", "WEIR_MEMORY", "exporters.weir.memory", WEIR_OPTION_SIZE, "SIZE", "512MiB",
     "Stay within this much memory; new data is refused (retryably) before it is passed."},
    {"retention-age", "WEIR_RETENTION_AGE", "exporters.weir.retention.age", WEIR_OPTION_DURATION,
     "DURATION", "7d", "Delete data older than this."},
    {"retention-size", "WEIR_RETENTION_SIZE", "exporters.weir.retention.size", WEIR_OPTION_SIZE,
     "SIZE", NULL,
     "Delete the oldest data past this size (default half of what is free plus what is already "
     "ours)."},
    {"query-timeout", "WEIR_QUERY_TIMEOUT", "extensions.weir_ui.query_timeout",
     WEIR_OPTION_DURATION, "DURATION", "60s", "Stop a query that takes longer."},
    {"allow-host", "WEIR_ALLOW_HOST", "extensions.weir_ui.allow_hosts", WEIR_OPTION_LIST, "NAME",
     NULL, "Answer requests that call this server by another name; may be repeated."},
    {"rules", "WEIR_RULES", "extensions.weir_rules.files", WEIR_OPTION_LIST, "FILE", NULL,
     "Evaluate the recording and alerting rules of this file (in Prometheus' shape); may be "
     "repeated."},
    {"rules-interval", "WEIR_RULES_INTERVAL", "extensions.weir_rules.interval",
     WEIR_OPTION_DURATION, "DURATION", "15s", "Evaluate groups that name no interval so often."},
    {"alertmanager", "WEIR_ALERTMANAGER", "extensions.weir_rules.alertmanagers", WEIR_OPTION_LIST,
     "URL", NULL, "Tell this Alertmanager what fires; may be repeated."},
    {"webhook", "WEIR_WEBHOOK", "extensions.weir_rules.webhooks", WEIR_OPTION_LIST, "URL", NULL,
     "Post alerts here as they fire and are resolved, in Alertmanager's shape; may be repeated."},
    {"allow-open", "WEIR_ALLOW_OPEN", "service.allow_open", WEIR_OPTION_FLAG, NULL, "false",
     "Allow listening on other than loopback addresses without TLS and without a login."},
    {"log-level", "WEIR_LOG_LEVEL", "service.telemetry.logs.level", WEIR_OPTION_LEVEL, "LEVEL",
     "info", "Write log lines from this level up: debug, info, warn, error."},
    {"print-config", NULL, NULL, WEIR_OPTION_FLAG, NULL, NULL,
     "Print the settings in force and where each comes from, then end."},
    {"help", NULL, NULL, WEIR_OPTION_FLAG, NULL, NULL, "Print this help, then end."},
    {NULL, NULL, NULL, WEIR_OPTION_FLAG, NULL, NULL, NULL},
};

const struct weir_option weir_options_doctor[] = {
    {"brokers", "KAFKA_BROKERS", NULL, WEIR_OPTION_STRING, "HOST:PORT,...", NULL,
     "Look at these Kafka brokers."},
    {"properties", "KAFKA_PROPERTIES", NULL, WEIR_OPTION_STRING, "FILE", NULL,
     "Read name=value lines for librdkafka, such as security.protocol and sasl.username."},
    {"topic", "KAFKA_TOPIC", NULL, WEIR_OPTION_STRING, "NAME", NULL,
     "Look at this topic, its settings, and the headers of its newest records."},
    {"records", NULL, NULL, WEIR_OPTION_STRING, "COUNT", "200",
     "Read so many of the newest records; 0 reads none."},
    {"group", "KAFKA_GROUP_ID", NULL, WEIR_OPTION_STRING, "NAME", NULL,
     "Look at this consumer group, its members and its lag."},
    {"write", NULL, NULL, WEIR_OPTION_FLAG, NULL, "false",
     "Send one record through a topic made for it, which is deleted afterwards."},
    {"endpoint", NULL, NULL, WEIR_OPTION_STRING, "URL", NULL,
     "Look at this OTLP endpoint (default what the OTEL_EXPORTER_OTLP variables say)."},
    {"protocol", NULL, NULL, WEIR_OPTION_STRING, "PROTOCOL", NULL,
     "Speak http/protobuf or grpc to it (default what OTEL_EXPORTER_OTLP_PROTOCOL says)."},
    {"app", NULL, NULL, WEIR_OPTION_STRING, "HOST:PORT", NULL,
     "Read the counts of an application with libweir from its metrics port."},
    {"explain", NULL, NULL, WEIR_OPTION_STRING, "TRACE_ID", NULL,
     "Explain a stored trace instead, hop by hop."},
    {"server", "WEIR_SERVER", NULL, WEIR_OPTION_STRING, "URL", "http://127.0.0.1:3000",
     "Ask this server for the trace to explain."},
    {"timeout", NULL, NULL, WEIR_OPTION_DURATION, "DURATION", "20s",
     "End within this time, whatever hangs."},
    {"json", NULL, NULL, WEIR_OPTION_FLAG, NULL, "false",
     "Print the findings as JSON, for programs."},
    {"help", NULL, NULL, WEIR_OPTION_FLAG, NULL, NULL, "Print this help, then end."},
    {NULL, NULL, NULL, WEIR_OPTION_FLAG, NULL, NULL, NULL},
};

const struct weir_option *weir_options_find(const struct weir_option *table,
                                            struct weir_view name) {
    for (const struct weir_option *option = table; option->name; option++)
        if (weir_view_is(name, option->name)) return option;
    return NULL;
}

const struct weir_option *weir_options_get(struct weir_view name) {
    return weir_options_find(weir_options, name);
}

static bool is_address(struct weir_view text) {
    if (weir_view_is(text, "off")) return true;
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') colon--;
    uint64_t port;
    return colon > 1 && weir_view_to_u64(weir_view_from(text, colon), &port) && port <= 65535;
}

static bool is_level(struct weir_view text) {
    return weir_view_is(text, "debug") || weir_view_is(text, "info") ||
           weir_view_is(text, "warn") || weir_view_is(text, "error");
}

int weir_options_check(const struct weir_option *option, struct weir_view text,
                       struct weir_error *reterr) {
    uint64_t size;
    int64_t ns;
    const char *expected = NULL;
    switch (option->type) {
    case WEIR_OPTION_STRING:
    case WEIR_OPTION_LIST:
        if (text.len == 0) expected = "something that is not empty";
        break;
    case WEIR_OPTION_ADDRESS:
        if (!is_address(text)) expected = "HOST:PORT such as 127.0.0.1:4318, or off";
        break;
    case WEIR_OPTION_SIZE:
        if (!weir_yaml_size_parse(text, &size)) expected = "a size such as 512MiB or 20GB";
        break;
    case WEIR_OPTION_DURATION:
        if (!weir_view_to_duration_ns(text, &ns) || ns <= 0)
            expected = "a duration such as 30s, 12h or 7d";
        break;
    case WEIR_OPTION_FLAG:
        if (!weir_view_is(text, "true") && !weir_view_is(text, "false")) expected = "true or false";
        break;
    case WEIR_OPTION_LEVEL:
        if (!is_level(text)) expected = "debug, info, warn or error";
        break;
    }
    if (!expected) return WEIR_OK;
    return weir_error_set(reterr, WEIR_EINVALID, "%s is '%.*s', expected %s", option->name,
                          WEIR_VIEW_ARG(text), expected);
}

/* Appends `text` in lines of at most 72 columns, each indented. */
static void add_wrapped(struct weir_buf *out, const char *text, const char *indent) {
    size_t width = strlen(indent), column = 0;
    struct weir_view rest = weir_view_str(text);
    while (rest.ptr) {
        struct weir_view word = weir_view_cut(&rest, ' ');
        if (column && column + 1 + word.len > 78) weir_buf_add_char(out, '\n'), column = 0;
        if (column == 0)
            weir_buf_add_str(out, indent), column = width;
        else
            weir_buf_add_char(out, ' '), column++;
        weir_buf_add_view(out, word);
        column += word.len;
    }
    weir_buf_add_char(out, '\n');
}

static void add_help_option(struct weir_buf *out, const struct weir_option *option,
                            const char *bold, const char *dim, const char *off) {
    weir_buf_printf(out, "  %s--%s%s%s%s\n", bold, option->name, off, option->argument ? " " : "",
                    option->argument ? option->argument : "");
    add_wrapped(out, option->help, "      ");
    if (option->env || option->preset)
        weir_buf_printf(out, "      %s%s%s%s%s%s%s\n", dim, option->preset ? "default " : "",
                        option->preset ? option->preset : "",
                        option->preset && option->env ? ", " : "",
                        option->env ? "environment " : "", option->env ? option->env : "", off);
}

void weir_options_add_help(struct weir_buf *out, bool colours) {
    const char *bold = colours ? "\x1b[1m" : "", *dim = colours ? "\x1b[2m" : "",
               *off = colours ? "\x1b[0m" : "";
    weir_buf_printf(
        out,
        "%sweir%s %s: see what flows through Kafka; traces, metrics and logs in one server.\n\n"
        "%sUsage%s\n  weir COMMAND [OPTIONS]      weir alone is weir serve\n\n%sCommands%s\n",
        bold, off, WEIR_VERSION, bold, off, bold, off);
    for (const struct weir_command *command = weir_commands; command->name; command++)
        weir_buf_printf(out, "  %-10s %-16s %s\n", command->name, command->arguments,
                        command->help);
    weir_buf_printf(out, "\n%sOptions of weir serve%s\n", bold, off);
    for (const struct weir_option *option = weir_options; option->name; option++)
        add_help_option(out, option, bold, dim, off);
    weir_buf_printf(out, "\n%sOptions of weir doctor%s\n", bold, off);
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        add_help_option(out, option, bold, dim, off);
    weir_buf_add_str(
        out, "\nA setting on the command line wins over the environment, that over the file, that "
             "over the default.\n");
}

void weir_options_add_help_doctor(struct weir_buf *out, bool colours) {
    const char *bold = colours ? "\x1b[1m" : "", *dim = colours ? "\x1b[2m" : "",
               *off = colours ? "\x1b[0m" : "";
    weir_buf_printf(out,
                    "%sweir doctor%s: says why spans are missing or traces unconnected.\n\n"
                    "%sOptions%s\n",
                    bold, off, bold, off);
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        add_help_option(out, option, bold, dim, off);
    weir_buf_add_str(out, "\nThe OTEL_* variables are read as an application reads them. Exit "
                          "status: 0 nothing is wrong,\n1 something is, 2 wrong usage.\n");
}

/* Text for roff: a leading dot or quote and every backslash and minus are escaped. */
static void add_roff(struct weir_buf *out, const char *text) {
    if (*text == '.' || *text == '\'') weir_buf_add_str(out, "\\&");
    for (; *text; text++) {
        if (*text == '\\' || *text == '-') weir_buf_add_char(out, '\\');
        weir_buf_add_char(out, *text);
    }
}

static void add_man_option(struct weir_buf *out, const struct weir_option *option) {
    weir_buf_add_str(out, ".TP\n\\fB\\-\\-");
    add_roff(out, option->name);
    weir_buf_printf(out, "\\fR%s%s%s\n", option->argument ? " \\fI" : "",
                    option->argument ? option->argument : "", option->argument ? "\\fR" : "");
    add_roff(out, option->help);
    if (option->preset) {
        weir_buf_add_str(out, "\nDefault: ");
        add_roff(out, option->preset);
        weir_buf_add_char(out, '.');
    }
    if (option->env) weir_buf_printf(out, "\nEnvironment: %s.", option->env);
    if (option->yaml) weir_buf_printf(out, "\nFile: %s.", option->yaml);
    weir_buf_add_char(out, '\n');
}

void weir_options_add_man(struct weir_buf *out) {
    weir_buf_add_str(
        out,
        ".TH WEIR 1 \"\" \"weir " WEIR_VERSION "\" \"User Commands\"\n"
        ".SH NAME\nweir \\- see what flows through Kafka\n"
        ".SH SYNOPSIS\n.B weir\n[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]\n"
        ".SH DESCRIPTION\n"
        "One server that takes traces, metrics and logs over OTLP, stores them durably, answers "
        "PromQL, LogQL and TraceQL over the usual HTTP interfaces and shows them on a web page.\n"
        ".SH COMMANDS\n");
    for (const struct weir_command *command = weir_commands; command->name; command++) {
        weir_buf_printf(out, ".TP\n\\fB%s\\fR %s\n", command->name, command->arguments);
        add_roff(out, command->help);
        weir_buf_add_char(out, '\n');
    }
    weir_buf_add_str(out, ".SH OPTIONS OF SERVE\n");
    for (const struct weir_option *option = weir_options; option->name; option++)
        add_man_option(out, option);
    weir_buf_add_str(out, ".SH OPTIONS OF DOCTOR\n");
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        add_man_option(out, option);
    weir_buf_add_str(
        out,
        ".SH SIGNALS\nSIGINT and SIGTERM stop the server after it has written what it holds; a "
        "second one "
        "ends it at once (what was acknowledged is on disk either way). SIGHUP takes up new "
        "certificates.\n"
        ".SH EXIT STATUS\n0 stopped as asked; 1 could not start or had to stop; 2 wrong usage. "
        "Of doctor: 0 nothing is wrong, 1 something is, 2 wrong usage.\n"
        ".SH FILES\nThe data folder holds one write-ahead log and immutable parts; see "
        "docs/formats.\n");
}

static void add_bash(struct weir_buf *out) {
    weir_buf_add_str(out,
                     "_weir() {\n  local cur=${COMP_WORDS[COMP_CWORD]} "
                     "prev=${COMP_WORDS[COMP_CWORD-1]}\n  case $prev in\n"
                     "    --config|--properties) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
                     "    --data) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n"
                     "    --log-level) COMPREPLY=($(compgen -W 'debug info warn error' -- "
                     "\"$cur\")); return ;;\n"
                     "    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\")); "
                     "return ;;\n  esac\n  local words='");
    for (const struct weir_command *command = weir_commands; command->name; command++)
        weir_buf_printf(out, "%s ", command->name);
    for (const struct weir_option *option = weir_options; option->name; option++)
        weir_buf_printf(out, "--%s ", option->name);
    weir_buf_add_str(out, "'\n  [ \"${COMP_WORDS[1]}\" = doctor ] && words='");
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        weir_buf_printf(out, "--%s ", option->name);
    weir_buf_add_str(
        out, "'\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n}\ncomplete -F _weir weir\n");
}

/* In zsh's own grammar a colon divides the argument's name from what completes it. */
static void add_zsh_option(struct weir_buf *out, const struct weir_option *option) {
    weir_buf_printf(out, " \\\n  '--%s[%s]", option->name, option->help);
    for (const char *at = option->argument; at && *at; at++) {
        if (at == option->argument) weir_buf_add_char(out, ':');
        if (*at == ':') weir_buf_add_char(out, '\\');
        weir_buf_add_char(out, *at);
    }
    weir_buf_add_str(out, option->argument ? ":_files'" : "'");
}

static void add_zsh(struct weir_buf *out) {
    weir_buf_add_str(out, "#compdef weir\n_arguments \\\n  '1:command:(");
    for (const struct weir_command *command = weir_commands; command->name; command++)
        weir_buf_printf(out, "%s ", command->name);
    weir_buf_add_str(out, ")'");
    for (const struct weir_option *option = weir_options; option->name; option++)
        add_zsh_option(out, option);
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        if (!weir_options_get(weir_view_str(option->name))) add_zsh_option(out, option);
    weir_buf_add_char(out, '\n');
}

static void add_fish(struct weir_buf *out) {
    for (const struct weir_command *command = weir_commands; command->name; command++)
        weir_buf_printf(out, "complete -c weir -n __fish_use_subcommand -a %s -d '%s'\n",
                        command->name, command->help);
    for (const struct weir_option *option = weir_options; option->name; option++)
        weir_buf_printf(out, "complete -c weir -l %s%s -d '%s'\n", option->name,
                        option->argument ? " -r" : "", option->help);
    for (const struct weir_option *option = weir_options_doctor; option->name; option++)
        weir_buf_printf(
            out, "complete -c weir -n '__fish_seen_subcommand_from doctor' -l %s%s -d '%s'\n",
            option->name, option->argument ? " -r" : "", option->help);
}

int weir_options_add_completion(struct weir_buf *out, struct weir_view shell,
                                struct weir_error *reterr) {
    if (weir_view_is(shell, "bash"))
        add_bash(out);
    else if (weir_view_is(shell, "zsh"))
        add_zsh(out);
    else if (weir_view_is(shell, "fish"))
        add_fish(out);
    else
        return weir_error_set(reterr, WEIR_EINVALID,
                              "no completion for '%.*s'; there is bash, zsh and fish",
                              WEIR_VIEW_ARG(shell));
    return WEIR_OK;
}
