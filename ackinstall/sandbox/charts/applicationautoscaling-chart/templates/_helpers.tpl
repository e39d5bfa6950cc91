{{- define "name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{ .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "serviceAccountName" -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end }}

{{- define "watchNamespace" -}}
{{ if eq .Values.installScope "namespace" }}{{ .Values.watchNamespace | default .Release.Namespace }}{{ end }}
{{- end }}

{{/* What a Deployment's selector compares: fixed for the life of a release */}}
{{- define "selectorLabels" -}}
app.kubernetes.io/name: {{ include "name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "podLabels" -}}
{{ include "selectorLabels" . }}
app.kubernetes.io/managed-by: Helm
k8s-app: {{ include "name" . }}
{{- end }}

{{- define "labels" -}}
{{ include "podLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* A role with the suffix `name`, and the binding of the controller's service account to it unless `binding`
     is absent. Takes a dict: root, name, binding, rules, labels (more of them, on the role), and namespace,
     absent where the role is for the whole cluster. */}}
{{- define "grant" -}}
{{- $kind := ternary "Role" "ClusterRole" (hasKey . "namespace") }}
{{- $name := printf "%s%s" (include "fullname" .root) .name }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "labels" .root | nindent 4 }}
    {{- with .labels }}{{ toYaml . | nindent 4 }}{{ end }}
rules:
  {{- .rules | trim | nindent 2 }}
{{- if hasKey . "binding" }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  name: {{ include "fullname" .root }}{{ .binding }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "labels" .root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "serviceAccountName" .root }}
    namespace: {{ .root.Release.Namespace }}
{{- end }}
{{ end }}
