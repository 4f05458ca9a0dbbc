//! What the columns of `tripline evaluate` mean, as its help says it.

/// Below the options.
pub const HELP: &str = "Columns:
  score   `profile`, the score of the profile model, or `rules`, the sum of the scores of rules
  test    the first day of the training week, or the tested days; days are UTC
  events  tested events
  frauds  those with a label other than `genuine`
  AUC     area under the ROC curve: how often a fraud scores higher than another event
  AP      average precision: area under the curve of precision and recall
  CP@100  card precision: the share of compromised accounts among the 100 with the
          highest scores, of each day, without those found before; mean of the days
  rec@1%  recall: the share of frauds among the 1 % of events with the highest scores
  val@1%  the same by amount: the share of the frauds' value
  \u{2013}       not known: no fraud, or for values, amounts in several currencies

Only with --fold, in the stream at 0.5 % alerts: events are decided one by one by the
lowest score with which at most 0.5 % of the training week would have been alerts.
  recall          alerted frauds of all frauds
  precision       frauds of all alerts
  accounts        compromised accounts with an alert on a fraud, of all compromised ones
  value detected  the value of alerted frauds, of all frauds' value
  saved           the value of an account's frauds after its first alerted one, likewise
  alerts          alerts per 10,000 accounts and day

--json gives the same by the names auc, average_precision, card_precision_at_100,
recall_at_1_percent, value_recall_at_1_percent and in_stream.

Example:\n  tripline evaluate --config deploy/examples/handbook/tripline.yaml \\\n    --input deploy/examples/handbook/sample.csv --fold 2018-07-25";
