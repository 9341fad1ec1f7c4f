// SPDX-License-Identifier: Apache-2.0
// Sends two spans with the official SDK and prints their ids: trace, outer, inner.
const { NodeSDK } = require('@opentelemetry/sdk-node');
const { OTLPTraceExporter } = require('@opentelemetry/exporter-trace-otlp-proto');
const { trace, context } = require('@opentelemetry/api');

const sdk = new NodeSDK({ serviceName: process.env.SERVICE, traceExporter: new OTLPTraceExporter() });
sdk.start();
const tracer = trace.getTracer('peer');
const outer = tracer.startSpan('outer');
const inner = tracer.startSpan('inner', {}, trace.setSpan(context.active(), outer));
inner.setAttributes({ text: 'grüße', int: 42, float: 2.5, yes: true, list: ['a', 'b'] });
inner.end();
outer.end();
sdk.shutdown().then(() => {
  console.log(outer.spanContext().traceId, outer.spanContext().spanId, inner.spanContext().spanId);
}, (error) => {
  console.error(error);
  process.exit(1);
});
