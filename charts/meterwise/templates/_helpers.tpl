{{/* The name of everything that the chart makes. A release named after the chart does not say so twice. */}}
{{- define "meterwise.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "meterwise.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "meterwise.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What tells this release's pod from all others. Never changes: a Deployment's selector cannot. */}}
{{- define "meterwise.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "meterwise.labels" -}}
{{ include "meterwise.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: operator
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "meterwise.image" -}}
{{- with .Values.image -}}
{{- $repository := ternary .repository (printf "%s/%s" .registry .repository) (empty .registry) -}}
{{- if .digest -}}
{{- printf "%s@%s" $repository .digest -}}
{{- else -}}
{{- printf "%s:%s" $repository (default $.Chart.AppVersion .tag) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* One rule of the NetworkPolicy: to these networks, or to any but the excepted. Takes `cidrs`, `ports`, `except`. */}}
{{- define "meterwise.egressRule" -}}
- to:
    {{- range .cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- else }}
    - ipBlock:
        cidr: 0.0.0.0/0
        {{- with .except }}
        except:
          {{- range . }}
          {{- if not (contains ":" .) }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
        {{- end }}
    - ipBlock:
        cidr: ::/0
        except:
          - fe80::/10
          {{- range .except }}
          {{- if contains ":" . }}
          - {{ . | quote }}
          {{- end }}
          {{- end }}
    {{- end }}
  ports:
    {{- range .ports }}
    - port: {{ . }}
      protocol: TCP
    {{- end }}
{{- end -}}

{{/* Who the Roles are for. */}}
{{- define "meterwise.subjects" -}}
- kind: ServiceAccount
  name: {{ include "meterwise.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}

{{/* What is needed wherever customers are declared: read what people wrote, answer in its status, make the services
that discovery finds, close statements, tell events. Nothing here can delete, and nothing can change a spec: see admission.yaml. */}}
{{- define "meterwise.customerRules" -}}
- apiGroups: [meterwise.dev]
  resources: [customermappings, cloudservices, changeapprovals]
  verbs: [list, watch]
- apiGroups: [meterwise.dev]
  resources: [customermappings/status, cloudservices/status, changeapprovals/status]
  verbs: [update]
# The right to patch is for the finalizer of services with `deletionPolicy: Cancel`. It could change a spec, too; the
# admission policy of this chart refuses that.
- apiGroups: [meterwise.dev]
  resources: [cloudservices]
  verbs: [get, create, patch]
# Evidence is written once: it is neither changed nor deleted.
- apiGroups: [meterwise.dev]
  resources: [usagestatements]
  verbs: [get, create]
# Whether a namespace is being deleted: what goes with it is never cancelled.
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* What a person needs who approves: see what is held, and say yes to it. */}}
{{- define "meterwise.approverRules" -}}
- apiGroups: [meterwise.dev]
  resources: [customermappings, cloudservices]
  verbs: [get, list, watch]
- apiGroups: [meterwise.dev]
  resources: [changeapprovals]
  verbs: [get, list, watch, create, delete]
{{- end -}}
