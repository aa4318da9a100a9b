"""Result to pages and text. Renderers compute no statistic: every number stands in the result.

page        the HTML report of a run, one file that makes no request
trend       columns by windows, one HTML file
terminal    a table for a terminal of any width
notebook    a fragment for a notebook
charts      bars and curves as SVG paths
markup      sentences with backticks to HTML
anchors     the fragment id of a column
*.html, *.css, *.js   templates, styles and scripts of the pages
"""
