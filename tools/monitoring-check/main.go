// Reads manifests on standard input. ServiceMonitors, PodMonitors and PrometheusRules must fit the types of the Prometheus
// Operator to the last field; every PromQL expression, in rules and in Grafana dashboards within ConfigMaps, must parse.
// Prints one JSON object for each time series that an expression asks for: its metric, the labels it is picked and
// grouped by, and where. Its exit code is 1 when something is wrong.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

type asked struct {
	Metric string   `json:"metric"`
	Labels []string `json:"labels"`
	Where  string   `json:"where"`
}

var wrong bool

func say(where string, err error) {
	wrong = true
	fmt.Fprintf(os.Stderr, "%s: %v\n", where, err)
}

func expression(where, text string) {
	// Grafana fills its variables in before Prometheus sees them; inside quotes they are only text.
	tree, err := parser.ParseExpr(text)
	if err != nil {
		say(where, fmt.Errorf("%w in %s", err, text))
		return
	}
	parser.Inspect(tree, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		found := asked{Metric: selector.Name, Where: where}
		for _, matcher := range selector.LabelMatchers {
			if matcher.Name != labels.MetricName {
				found.Labels = append(found.Labels, matcher.Name)
			}
		}
		for _, above := range path {
			if aggregate, ok := above.(*parser.AggregateExpr); ok && !aggregate.Without {
				found.Labels = append(found.Labels, aggregate.Grouping...)
			}
		}
		sort.Strings(found.Labels)
		line, _ := json.Marshal(found)
		fmt.Println(string(line))
		return nil
	})
}

func rules(where string, rule *monitoring.PrometheusRule) {
	for _, group := range rule.Spec.Groups {
		for _, rule := range group.Rules {
			where := where + " " + rule.Alert + rule.Record
			expression(where, rule.Expr.String())
			if rule.For != nil {
				if _, err := model.ParseDuration(string(*rule.For)); err != nil {
					say(where, err)
				}
			}
			if rule.Alert != "" && (rule.Annotations["summary"] == "" || rule.Annotations["description"] == "") {
				say(where, errors.New("says neither what is wrong nor what to do"))
			}
		}
	}
}

func dashboards(where string, config *core.ConfigMap) {
	for name, text := range config.Data {
		if !strings.HasSuffix(name, ".json") {
			continue
		}
		var dashboard struct {
			Title  string
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
			say(where+" "+name, err)
		}
		if dashboard.Title == "" || len(dashboard.Panels) == 0 {
			say(where+" "+name, errors.New("shows nothing"))
		}
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				expression(where+" "+panel.Title, target.Expr)
			}
		}
	}
}

func main() {
	documents := yaml.NewYAMLReader(bufio.NewReader(os.Stdin))
	for {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			say("input", err)
			break
		}
		var kind struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if err := strict.Unmarshal(text, &kind); err != nil {
			say("input", err)
			continue
		}
		where := kind.Kind + " " + kind.Metadata.Name
		var object runtime.Object
		switch kind.Kind {
		case "ServiceMonitor":
			object = &monitoring.ServiceMonitor{}
		case "PodMonitor":
			object = &monitoring.PodMonitor{}
		case "PrometheusRule":
			object = &monitoring.PrometheusRule{}
		case "ConfigMap":
			object = &core.ConfigMap{}
		default:
			continue
		}
		if err := strict.UnmarshalStrict(bytes.TrimSpace(text), object); err != nil {
			say(where, err)
			continue
		}
		switch object := object.(type) {
		case *monitoring.PrometheusRule:
			rules(where, object)
		case *core.ConfigMap:
			dashboards(where, object)
		}
	}
	if wrong {
		os.Exit(1)
	}
}
